//! `deploy`, tried: registries of each kind, Heroku's two services, and the programs that clouds
//! and hosts are reached by, in place of which stand scripts that write down what they are given.

mod heroku;
mod hostile_jobs;
mod install;
mod programs;
mod registries;
mod scripts;
