// Loaded for each test file: Node writes its cache of compiled modules when a process exits, and
// vitest ends its workers by a signal. The next worker, or process, loads them in half the time.
import { flushCompileCache } from "node:module";
import { afterAll } from "vitest";

afterAll(() => flushCompileCache());
