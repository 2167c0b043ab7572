import { constants } from "node:os";
import { Signal } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";

/** Real-time signals as the C library numbers them for programs. */
const RTMIN = 34;
const RTMAX = 64;

/** A signal's number from its name (`SIGTERM`, `TERM`, `SIGRTMIN+3`) or digits. */
export function signalNumber(text: string): number {
  const bad = () => new RuntimeError("invalid-argument", `unknown signal ${JSON.stringify(text)}`);
  if (/^[0-9]+$/.test(text)) {
    const number = Number(text);
    if (number < 1 || number > RTMAX) throw bad();
    return number;
  }
  const name = text.toUpperCase().replace(/^(?!SIG)/, "SIG");
  const known = constants.signals[name as NodeJS.Signals];
  if (known !== undefined) return known;
  const realTime = /^SIGRT(MIN|MAX)(?:([+-])([0-9]+))?$/.exec(name);
  if (!realTime) throw bad();
  const base = realTime[1] === "MIN" ? RTMIN : RTMAX;
  const number = base + Number(`${realTime[2] ?? "+"}${realTime[3] ?? "0"}`);
  if (number < RTMIN || number > RTMAX) throw bad();
  return number;
}

/** A name for CRI's number, which is neither the kernel's nor the C library's. */
export function criSignalName(value: Signal): string {
  const name = Object.entries(Signal).find(([, number]) => number === value)?.[0];
  if (name === undefined) throw new RuntimeError("invalid-argument", `unknown CRI signal ${value}`);
  return name === "SIGCLD" ? "SIGCHLD" : name.replace("PLUS", "+").replace("MINUS", "-");
}

/** CRI's signals by their names, and by numbers, of which some have two names. */
const CRI_SIGNALS: ReadonlyMap<string | number, Signal> = new Map(
  Object.values(Signal)
    .filter((value) => value !== Signal.RUNTIME_DEFAULT)
    .toReversed()
    .flatMap((value) => {
      const name = criSignalName(value);
      return [name, signalNumber(name)].map((key) => [key, value] as const);
    }),
);

/** CRI's word for a signal by name or number; RUNTIME_DEFAULT for one that CRI has none for. */
export function criSignal(text: string): Signal {
  const number = signalNumber(text);
  const named = CRI_SIGNALS.get(text.toUpperCase());
  return named ?? CRI_SIGNALS.get(number) ?? Signal.RUNTIME_DEFAULT;
}
