// Runs check files, given as arguments, over the trees that overlay.ts laid over the product. Tells
// on descriptor 3, a line each, which check begins and how it ended; output is left to the reader.
import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { NOT_WRITTEN, checkOptions, registeredChecks } from "./check.ts";

const REPORT_FD = 3;

/** What the runner hears, one line of JSON each. */
export type CheckEvent =
  | { readonly kind: "begins"; readonly title: string }
  | { readonly kind: "passed"; readonly title: string; readonly took_ms: number }
  | { readonly kind: "failed"; readonly title: string; readonly message: string };

function tell(event: CheckEvent): void {
  writeSync(REPORT_FD, `${JSON.stringify(event)}\n`);
}

async function attempt(title: string, body: () => unknown): Promise<void> {
  tell({ kind: "begins", title });
  const begun_ms = performance.now();
  try {
    await body();
    tell({ kind: "passed", title, took_ms: Math.round(performance.now() - begun_ms) });
  } catch (thrown) {
    tell({ kind: "failed", title, message: describe(thrown) });
  }
}

/** The message; for what is not ours to have foreseen, with the place in the reader's file. */
function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const stack = thrown.stack ?? "";
  if (NOT_WRITTEN.test(thrown.message)) {
    const place = /\(?(?:file:\/\/)?([^\s()]+:\d+):\d+\)?$/m.exec(stack)?.[1];
    return `${thrown.message}: ${place ?? "place unknown"}`;
  }
  return thrown.name === "Error" ? thrown.message : stack;
}

for (const path of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(path).href);
  } catch (thrown) {
    const title = `${path} can be loaded`;
    tell({ kind: "failed", title, message: describe(thrown) });
  }
}
const { only = "" } = checkOptions();
const wanted = registeredChecks().filter(({ title }) => title.includes(only));
for (const { title, body } of wanted) await attempt(title, body);
