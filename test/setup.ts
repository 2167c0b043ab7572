// Evaluated for each test file; what it imports is loaded once in a process, which takes less.
import "./short-resolve.ts";
import { existsSync, readlinkSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { afterAll, expect } from "vitest";
import { ownProcessorTime_s } from "./run-measured.ts";

const NAMESPACE = "/proc/self/ns/net";

/** The state of the process that a file may change, and that the next one would inherit. */
const state = () => ({
  network: existsSync(NAMESPACE) ? readlinkSync(NAMESPACE) : "",
  folder: process.cwd(),
  umask: process.umask(),
});

const before = state();
afterAll(() => expect(state(), "the process as the file found it").toEqual(before));
// As `keep-compiled.ts` does.
afterAll(() => flushCompileCache());

const began_s = ownProcessorTime_s();
afterAll(({}, { file }) => {
  file.meta.cpu_s = ownProcessorTime_s() - began_s;
});
