//! `deploy`, tried: registries of each kind, Heroku's two services, and the programs that clouds
//! and hosts are reached by, in place of which stand scripts that write down what they are given.
//! What runs shell scripts wants a POSIX shell and GNU's tools, as the jobs that they are for have.

mod heroku;
#[cfg(target_os = "linux")]
mod hostile_jobs;
#[cfg(target_os = "linux")]
mod install;
#[cfg(target_os = "linux")]
mod programs;
mod registries;
#[cfg(target_os = "linux")]
mod scripts;
