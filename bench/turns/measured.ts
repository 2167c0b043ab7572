import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { measureTurns, type Turns } from "./turns.ts";

type Question = { readonly limit_ms: number } | "end" | "stop";

/** Serves a parent that measures this process's turns. `where` is its first message. */
export function measured(where: object, close: () => Promise<void>): void {
  const say = (answer: object) => process.send!(answer);
  let end: (() => Promise<Turns>) | undefined;
  process.on("message", (question: Question) => {
    if (question === "stop") void close().then(() => process.disconnect());
    else if (question === "end") void end?.().then(say);
    else {
      end = measureTurns(question.limit_ms);
      // The parent starts once it knows that this process has.
      setImmediate(() => say({}));
    }
  });
  say(where);
}

/** A server in a process of its own, so that its loop serves requests and nothing else. */
export interface Measured<Where> {
  readonly where: Where;
  /** The turns of the loop while `work` runs. */
  during(limit_ms: number, work: () => Promise<unknown>): Promise<Turns>;
  stop(): Promise<void>;
}

/** Starts a file that calls `measured`. */
export async function startMeasured<Where>(
  file: string,
  execArgv: readonly string[],
): Promise<Measured<Where>> {
  const env = { ...process.env, R2K_LOG: "warn" };
  const child = fork(file, { env, execArgv: [...process.execArgv, ...execArgv] });
  return {
    where: await answer<Where>(child),
    async during(limit_ms, work) {
      await ask(child, { limit_ms });
      await work();
      return ask<Turns>(child, "end");
    },
    async stop() {
      child.send("stop" satisfies Question);
      await once(child, "exit");
    },
  };
}

async function answer<T>(child: ChildProcess): Promise<T> {
  return ((await once(child, "message")) as [T])[0];
}

function ask<T>(child: ChildProcess, question: Question): Promise<T> {
  child.send(question);
  return answer<T>(child);
}
