import { channel } from "node:diagnostics_channel";
import { constants, openSync, writeSync } from "node:fs";
import { isErrno } from "@raft2kube/std/errors.ts";

/** The variable with the fifo to which a program that this one starts sends its steps. */
export const STEPS_VARIABLE = "R2K_STEPS";

const STEPS = channel("r2k:steps");
let prefix = "";

/** Words as a shell reads them. */
export function shellWords(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
}

/**
 * Publishes a change of the machine, as the command by which a person would make it: a line, or
 * its words. `command` is called only while someone reads.
 */
export function step(command: () => string | readonly string[]): void {
  if (!STEPS.hasSubscribers) return;
  const found = command();
  STEPS.publish(prefix + (typeof found === "string" ? found : shellWords(found)));
}

/** Runs `work`, whose commands a person would make in the namespaces of nsenter's `options`. */
export function stepsIn<T>(options: string, work: () => T): T {
  const outside = prefix;
  prefix = `nsenter ${options} `;
  try {
    return work();
  } finally {
    prefix = outside;
  }
}

/** Calls `read` with each step from now on, until it is disposed of. */
export function readSteps(read: (command: string) => void): Disposable {
  const listener = (message: unknown) => read(String(message));
  STEPS.subscribe(listener);
  return { [Symbol.dispose]: () => void STEPS.unsubscribe(listener) };
}

/** Sends this process's steps to the fifo that the environment names, if it has a reader. */
export function sendSteps(environment: NodeJS.ProcessEnv): void {
  const fifo = environment[STEPS_VARIABLE];
  if (fifo === undefined) return;
  try {
    const fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    readSteps((command) => void writeSync(fd, `${command}\n`));
  } catch (error) {
    // The command that traced has ended.
    if (!isErrno(error, "ENXIO", "ENOENT")) throw error;
  }
}
