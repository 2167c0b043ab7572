import { randomInt } from "node:crypto";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";

const FIRST = (
  "bold brave calm clever eager fair gentle happy keen kind " +
  "lively loyal merry nimble proud quick quiet swift vivid wise"
).split(" ");
const SECOND = (
  "babbage curie dijkstra euler fermat gauss hamming hopper johnson kepler " +
  "knuth lamport liskov lovelace noether ongaro pascal ritchie shannon turing"
).split(" ");

/** A name for a container or volume that was given none; `isTaken` names are not returned. */
export function randomName(isTaken: (name: string) => boolean): string {
  for (let tries = 0; ; tries++) {
    const pair = `${FIRST[randomInt(FIRST.length)]}_${SECOND[randomInt(SECOND.length)]}`;
    const name = tries < 3 ? pair : `${pair}${randomInt(1_000_000)}`;
    if (!isTaken(name)) return name;
  }
}

/** Throws for what is no name of a container, volume or network: one cannot be taken for a flag. */
export function requireName(what: string, name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) return name;
  throw new RuntimeError("invalid-argument", `${JSON.stringify(name)} is no name of a ${what}`, {
    remedy: "2 to 128 letters, digits, _, . and -, a letter or digit first",
  });
}
