import { Worker } from "node:worker_threads";
import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { asError } from "@raft2kube/std/errors.ts";
import {
  BCRYPT_COST_DEFAULT,
  BCRYPT_COST_MAX,
  BCRYPT_COST_MIN,
  BCRYPT_PASSWORD_BYTES_MAX,
  PASSWORDS_MAX,
} from "../limits.ts";

/** A request to the thread: hash a password, or compare one with a hash. */
export type PasswordQuestion =
  | { id: number; password: string; cost: number }
  | { id: number; password: string; cost: number; hash: string };

export type PasswordAnswer = { id: number; answer: string | boolean };

interface Waiting {
  resolve(answer: string | boolean): void;
  reject(reason: unknown): void;
}

type Asked = { password: string; cost: number; hash?: string };

/**
 * bcrypt, in a thread of its own: one hash takes longer than the loop may be held. The thread
 * starts when it is first needed, and answers one question after the other.
 */
export class Passwords {
  readonly cost: number;
  #thread: Worker | undefined;
  #nextId = 0;
  readonly #waiting = new Map<number, Waiting>();

  constructor(cost = BCRYPT_COST_DEFAULT) {
    assert(cost >= BCRYPT_COST_MIN && cost <= BCRYPT_COST_MAX, `a bcrypt cost of ${cost}`);
    this.cost = cost;
  }

  /** The hash to be stored, in base64 as it travels through the log. */
  async hash(password: string): Promise<string> {
    if (Buffer.byteLength(password) > BCRYPT_PASSWORD_BYTES_MAX) throw etcdError("passwordTooLong");
    const hash = (await this.#ask({ password, cost: this.cost })) as string;
    return Buffer.from(hash).toString("base64");
  }

  /**
   * Whether a password is the one hashed. No hash, of a user that does not exist, takes as long as
   * one of the present cost, so that the time of a refused sign-in reveals no names.
   */
  async matches(password: string, hash: Buffer | undefined): Promise<boolean> {
    if (Buffer.byteLength(password) > BCRYPT_PASSWORD_BYTES_MAX) return false;
    const { cost } = this;
    return (await this.#ask({ password, cost, hash: hash?.toString("latin1") ?? "" })) as boolean;
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#end(etcdError("stopped"));
    await thread?.terminate();
  }

  #ask(asked: Asked): Promise<string | boolean> {
    if (this.#waiting.size >= PASSWORDS_MAX) throw etcdError("tooManyRequests");
    this.#thread ??= this.#start();
    const question = { ...asked, id: this.#nextId++ };
    return new Promise((resolve, reject) => {
      this.#waiting.set(question.id, { resolve, reject });
      this.#thread?.postMessage(question);
    });
  }

  #start(): Worker {
    const thread = new Worker(new URL("./password-thread.ts", import.meta.url));
    thread.unref();
    thread.on("message", ({ id, answer }: PasswordAnswer) => {
      this.#waiting.get(id)?.resolve(answer);
      this.#waiting.delete(id);
    });
    thread.on("error", (thrown) => this.#end(asError(thrown)));
    return thread;
  }

  /** Fails what waits for a thread that is gone; the next question starts another. */
  #end(reason: unknown): void {
    this.#thread = undefined;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }
}
