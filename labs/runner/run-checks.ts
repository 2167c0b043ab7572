// Runs check files, given as arguments, with the trees that overlay.ts resolves. Reports on
// descriptor 3, a line each, which check begins and its result; stdout and stderr are the reader's.
import { writeSync } from "node:fs";
import { relative } from "node:path";
import { pathToFileURL } from "node:url";
import {
  NOT_WRITTEN,
  checkOptions,
  onAlive,
  registeredChecks,
  stillAtWork,
} from "../check.ts";

const REPORT_FD = 3;
const STACK_LINES = 5;
const ALIVE_MS = 1_000;
/** No check may take longer than this. */
const CHECK_MS_MAX = 60_000;

/** Events for the runner, one line of JSON each. */
export type CheckEvent =
  | { readonly kind: "begins"; readonly title: string }
  | { readonly kind: "alive" }
  | { readonly kind: "passed"; readonly title: string; readonly took_ms: number }
  | { readonly kind: "failed"; readonly title: string; readonly message: string };

function report(event: CheckEvent): void {
  writeSync(REPORT_FD, `${JSON.stringify(event)}\n`);
}

async function attempt(title: string, body: () => unknown): Promise<void> {
  report({ kind: "begins", title });
  const begun_ms = performance.now();
  try {
    await Promise.race([body(), tooLong()]);
    report({ kind: "passed", title, took_ms: Math.round(performance.now() - begun_ms) });
  } catch (thrown) {
    report({ kind: "failed", title, message: describe(thrown) });
  }
}

function tooLong(): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const message = `the check did not end within ${CHECK_MS_MAX / 1_000} s`;
  setTimeout(() => reject(new Error(message)), CHECK_MS_MAX).unref();
  return promise;
}

/** Returns the error's message; for an unexpected error with the place in the reader's file. */
function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const stack = thrown.stack ?? "";
  if (NOT_WRITTEN.test(thrown.message)) {
    const place = /\(?(?:file:\/\/)?([^\s()]+:\d+):\d+\)?$/m.exec(stack)?.[1];
    return `${thrown.message}: ${place ?? "place unknown"}`;
  }
  if (thrown.name === "Error") return thrown.message;
  // The message of a syntax error has the place; the loader's frames are not useful.
  if (thrown.name === "SyntaxError") return stack.split("\n    at ")[0]!;
  return stack.split("\n").slice(0, STACK_LINES).join("\n");
}

let reported_ms = performance.now();
onAlive(() => {
  if (performance.now() - reported_ms < ALIVE_MS) return;
  reported_ms = performance.now();
  report({ kind: "alive" });
});
// Fires while a check awaits something, but not during an endless loop.
const heartbeat = setInterval(stillAtWork, ALIVE_MS);

for (const path of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(path).href);
  } catch (thrown) {
    const title = `${relative(process.cwd(), path)} can be loaded`;
    report({ kind: "failed", title, message: describe(thrown) });
  }
}
const { only = "" } = checkOptions();
const selected = registeredChecks().filter(({ title }) => title.includes(only));
for (const { title, body } of selected) await attempt(title, body);
clearInterval(heartbeat);
