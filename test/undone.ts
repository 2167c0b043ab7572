// Loaded for each test file: what a file changes of its process, the next one in it would inherit.
import { existsSync, readlinkSync } from "node:fs";
import { afterAll, expect } from "vitest";

const NAMESPACE = "/proc/self/ns/net";

const state = () => ({
  network: existsSync(NAMESPACE) ? readlinkSync(NAMESPACE) : "",
  folder: process.cwd(),
  umask: process.umask(),
});

const before = state();
afterAll(() => expect(state(), "the process as the file found it").toEqual(before));
