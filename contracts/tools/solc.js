#!/usr/bin/env node
// Answers as the solc binary would, with the compiler that npm installed (no native one is needed).
"use strict";
const fs = require("fs");
const solc = require("solc");

const args = process.argv.slice(2);
if (args.includes("--version")) {
  const version = solc.version().replace(".Emscripten.clang", ".Linux.g++");
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else if (args.includes("--standard-json")) {
  const read = (kind, path) => {
    try {
      return { contents: fs.readFileSync(path, "utf8") };
    } catch (error) {
      return { error: `${kind} ${path}: ${error.message}` };
    }
  };
  const input = fs.readFileSync(0, "utf8");
  process.stdout.write(solc.compile(input, { import: (path) => read("source", path) }));
} else {
  process.stderr.write("solc.js: only --version and --standard-json are supported\n");
  process.exit(1);
}
