import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { FILE_RELOAD_MS } from "./limits.ts";
import { Runner } from "./runner.ts";

/** How often it went in a way to read a text again, and when it last did. */
type Happened = { count: number; last_ms?: number };

export type Reloads = Readonly<Record<"success" | "failure", Readonly<Happened>>>;

/** A value that may be replaced while the process runs. */
export interface Followed<T> {
  readonly current: T;
  /** The text that `current` was read from; "" for a value that no text has. */
  readonly text: string;
  /** How it went to read the text again, for what is read again. */
  readonly reloads: Reloads | undefined;
  /**
   * Calls `apply` with each further value before it becomes the current one; the value is refused,
   * and the last one stays, when that throws.
   */
  onChange(apply: (next: T) => Promise<void> | void): void;
}

/** A value that stays. */
export function fixed<T>(current: T): Followed<T> {
  return { current, text: "", reloads: undefined, onChange: () => undefined };
}

export interface FollowedFileOptions<T> {
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "error">;
  /** Names the file in the log: "the encryption configuration". */
  readonly what: string;
  read(): Promise<string>;
  /** Throws for a text that makes no sense. */
  parse(text: string): Promise<T> | T;
}

/**
 * A file that is read again when it has changed, at least every FILE_RELOAD_MS. One that makes no
 * sense is reported in the log, once, and the last value stays.
 */
export class FollowedFile<T> implements Followed<T> {
  readonly reloads = { success: { count: 0 }, failure: { count: 0 } };
  readonly #options: FollowedFileOptions<T>;
  readonly #looking: Runner;
  readonly #listeners: ((next: T) => Promise<void> | void)[] = [];
  /** The text that was looked at last, of sense or not. */
  #seen: string;
  #text: string;
  #current: T;

  /** Throws what `parse` throws when the file makes no sense at first. */
  static async follow<T>(options: FollowedFileOptions<T>): Promise<FollowedFile<T>> {
    const text = await options.read();
    return new FollowedFile(options, text, await options.parse(text));
  }

  private constructor(options: FollowedFileOptions<T>, text: string, current: T) {
    this.#options = options;
    this.#seen = text;
    this.#text = text;
    this.#current = current;
    this.#looking = new Runner({
      clock: options.clock,
      max_ms: FILE_RELOAD_MS,
      retry: { first_ms: FILE_RELOAD_MS, most_ms: FILE_RELOAD_MS },
      run: () => this.#look(),
      report: (thrown) => this.#report(thrown),
    });
    this.#looking.request(FILE_RELOAD_MS);
  }

  get current(): T {
    return this.#current;
  }

  get text(): string {
    return this.#text;
  }

  onChange(apply: (next: T) => Promise<void> | void): void {
    this.#listeners.push(apply);
  }

  async close(): Promise<void> {
    await this.#looking.close();
  }

  async #look(): Promise<void> {
    const text = await this.#options.read();
    if (text === this.#seen) return;
    this.#seen = text;
    const next = await this.#options.parse(text);
    for (const apply of this.#listeners) await apply(next);
    this.#current = next;
    this.#text = text;
    this.#count(this.reloads.success);
    this.#options.log.info(`${this.#options.what} was read again`);
  }

  #count(happened: Happened): void {
    happened.count++;
    happened.last_ms = this.#options.clock.now();
  }

  #report(thrown: unknown): void {
    if (thrown === undefined) return;
    this.#count(this.reloads.failure);
    this.#options.log.error(`${this.#options.what} stays as it was`, { reason: messageOf(thrown) });
  }
}
