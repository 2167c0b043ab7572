// Loaded before `r2k container`: counts the calls by which it changes the machine, and kills it
// before the one of the number in KILL_AT. The count goes to the file in KILL_COUNT.
import child from "node:child_process";
import fs from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import koffi from "koffi";

const { KILL_AT, KILL_COUNT = "/dev/null" } = process.env;
for (const name of ["KILL_AT", "KILL_COUNT", "NODE_OPTIONS"]) delete process.env[name];

const write = fs.writeFileSync;
let count = 0;

function point(name: string): void {
  count++;
  if (count !== Number(KILL_AT)) return;
  write(KILL_COUNT, name);
  process.kill(process.pid, "SIGKILL");
}

type Call = (...args: unknown[]) => unknown;

function counted(owner: object, names: readonly string[]): void {
  const calls = owner as Record<string, Call>;
  for (const name of names) {
    const call = calls[name]!;
    calls[name] = function (this: unknown, ...args: unknown[]) {
      point(`${name} ${String(args[0])}`);
      return call.apply(this, args);
    };
  }
}

counted(promises, ["mkdir", "rename", "rm", "rmdir", "writeFile", "unlink", "chmod", "symlink"]);
counted(fs, [
  "mkdirSync",
  "renameSync",
  "rmSync",
  "rmdirSync",
  "writeFileSync",
  "createWriteStream",
]);
counted(child, ["spawn", "execFile"]);
syncBuiltinESMExports();

const CHANGING = /mount|move_mount|unshare|nft_run|(mkdir|mknod|symlink|link|rename|unlink)at?2?\b/;
const { load } = koffi;
koffi.load = (...given) => {
  const library = load(...given);
  const func = (declaration: unknown, ...rest: unknown[]) => {
    const call = (library.func as Call).call(library, declaration, ...rest) as Call;
    if (typeof declaration !== "string" || !CHANGING.test(declaration)) return call;
    const name = declaration.replace(/\(.*/s, "");
    const counts = (made: Call) => {
      return (...args: unknown[]) => {
        point(name);
        return made(...args);
      };
    };
    const { async } = call as Call & { async: Call };
    return Object.assign(counts(call), { async: counts(async) });
  };
  return { func, symbol: library.symbol?.bind(library), unload: () => undefined } as never;
};

process.on("exit", () => write(KILL_COUNT, String(count)));
