import { Worker } from "node:worker_threads";
import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { FairQueue } from "@raft2kube/std/fair-queue.ts";
import { clientOf } from "@raft2kube/std/ip.ts";
import {
  BCRYPT_COST_DEFAULT,
  BCRYPT_COST_MAX,
  BCRYPT_COST_MIN,
  BCRYPT_PASSWORD_BYTES_MAX,
  PASSWORDS_MAX,
} from "../limits.ts";

/** A request to the thread: hash a password, or compare one with a hash. */
export type PasswordQuestion =
  | { password: string; cost: number }
  | { password: string; cost: number; hash: string };

export type PasswordAnswer = string | boolean;

interface Waiting {
  readonly question: PasswordQuestion;
  resolve(answer: PasswordAnswer): void;
  reject(reason: unknown): void;
}

const PROGRAM = new URL("./password-thread.ts", import.meta.url);

/** The owner of hashes that are made: they are of clients that signed in before. */
const KNOWN = "known";

/**
 * bcrypt, in a thread of its own: one hash takes longer than the loop may be held. The thread
 * starts when it is first needed, and answers one question after the other, those of different
 * clients in rotation: one that tries many passwords keeps no other from signing in.
 */
export class Passwords {
  readonly cost: number;
  readonly #program: () => URL;
  #thread: Worker | undefined;
  readonly #waiting = new FairQueue<Waiting>();
  /** The question that the thread has. */
  #asked: Waiting | undefined;

  constructor(cost = BCRYPT_COST_DEFAULT, program = () => PROGRAM) {
    this.#program = program;
    assert(cost >= BCRYPT_COST_MIN && cost <= BCRYPT_COST_MAX, `a bcrypt cost of ${cost}`);
    this.cost = cost;
  }

  /** The hash to be stored, in base64 as it travels through the log. */
  async hash(password: string): Promise<string> {
    if (Buffer.byteLength(password) > BCRYPT_PASSWORD_BYTES_MAX) throw etcdError("passwordTooLong");
    const hash = (await this.#ask(KNOWN, { password, cost: this.cost })) as string;
    return Buffer.from(hash).toString("base64");
  }

  /**
   * Whether a password that a client, an address, shows is the one hashed. No hash, of a user that
   * does not exist, takes as long as one of the present cost, so that the time of a refused sign-in
   * reveals no names.
   */
  async matches(password: string, hash: Buffer | undefined, client: string): Promise<boolean> {
    if (Buffer.byteLength(password) > BCRYPT_PASSWORD_BYTES_MAX) return false;
    const { cost } = this;
    const question = { password, cost, hash: hash?.toString("latin1") ?? "" };
    return (await this.#ask(clientOf(client), question)) as boolean;
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#end(etcdError("stopped"));
    await thread?.terminate();
  }

  #ask(client: string, question: PasswordQuestion): Promise<PasswordAnswer> {
    return new Promise((resolve, reject) => {
      const waiting = { question, resolve, reject };
      const leftOut = this.#waiting.pushWithin(PASSWORDS_MAX, client, waiting);
      leftOut?.reject(etcdError("tooManyRequests"));
      if (this.#asked === undefined) this.#next();
    });
  }

  #next(): void {
    this.#asked = this.#waiting.shift();
    if (this.#asked === undefined) return;
    try {
      this.#thread ??= this.#start();
      this.#thread.postMessage(this.#asked.question);
    } catch (thrown) {
      this.#end(thrown); // the system has no thread to give
    }
  }

  #start(): Worker {
    const thread = new Worker(this.#program());
    thread.unref();
    thread.on("message", (answer: PasswordAnswer) => {
      if (thread !== this.#thread) return;
      this.#asked?.resolve(answer);
      this.#next();
    });
    thread.on("error", (thrown) => this.#end(asError(thrown)));
    return thread;
  }

  /** Fails what waits for a thread that is gone; the next question starts another. */
  #end(reason: unknown): void {
    this.#thread = undefined;
    let waiting = this.#asked;
    this.#asked = undefined;
    for (; waiting !== undefined; waiting = this.#waiting.shift()) waiting.reject(reason);
  }
}
