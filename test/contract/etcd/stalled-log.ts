// Loaded before a store (`node --import`): lets its parent hold the writes of its log, as a disk
// that stalls does.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/** How many more writes pass; sent to the child. It answers with a `LogState`. */
export type PassWrites = { readonly pass: number };

/** State that the child sends when the number of waiting writes has changed, and as an answer. */
export type LogState = { readonly waiting: number };

type Callback = (error: Error | null, result: number) => void;
type Call = (...args: unknown[]) => void;

const { open, write } = fs as unknown as { open: Call; write: Call };
const logs = new Set<unknown>();
const waiting: (() => void)[] = [];
let passes = Infinity;

const report = () => process.send!({ waiting: waiting.length } satisfies LogState);

function openNoting(...args: unknown[]): void {
  const done = args.pop() as Callback;
  open(...args, (error: Error | null, fd: number) => {
    if (String(args[0]).endsWith(".wal")) logs.add(fd);
    else logs.delete(fd);
    done(error, fd);
  });
}

function writeInTurn(...args: unknown[]): void {
  if (!logs.has(args[0])) return write(...args);
  if (passes > 0) {
    passes--;
    return write(...args);
  }
  waiting.push(() => write(...args));
  report();
}

process.on("message", ({ pass }: PassWrites) => {
  passes = pass;
  for (const each of waiting.splice(0, passes)) {
    passes--;
    each();
  }
  report();
});
// A parent that is gone has no further use for it.
process.on("disconnect", () => process.exit(1));
Object.assign(fs, { open: openNoting, write: writeInTurn });
syncBuiltinESMExports();
