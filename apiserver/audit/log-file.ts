import { type FileHandle, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { join, parse, resolve } from "node:path";
import { type Clock, MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import type { Sink } from "./sink.ts";

export interface LogFileOptions {
  /** `-` for the standard output. */
  readonly path: string;
  readonly bytes_max: number;
  /** Files kept besides the one written to; 0 for all. */
  readonly backups_max: number;
  /** Days for which they are kept; 0 for any number. */
  readonly age_max_days: number;
}

/** A file of one event a line, put aside under the time when it is full. */
export class LogFile implements Sink {
  readonly name = "log";
  readonly #options: LogFileOptions;
  readonly #clock: Clock;
  #file: { readonly handle: FileHandle; bytes: number } | undefined;

  constructor(options: LogFileOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  async write(events: readonly string[]): Promise<void> {
    const lines = Buffer.from(`${events.join("\n")}\n`);
    const { path, bytes_max } = this.#options;
    if (path === "-") return await toStdout(lines);
    let file = (this.#file ??= await this.#open());
    if (file.bytes > 0 && file.bytes + lines.length > bytes_max) {
      await this.#rotate();
      file = this.#file = await this.#open();
    }
    const from = file.bytes;
    try {
      await file.handle.writeFile(lines);
      file.bytes += lines.length;
    } catch (thrown) {
      // A disk that is full took a part of a line: the next write starts a line again.
      await file.handle.truncate(from).catch(() => this.close());
      throw thrown;
    }
  }

  async #open() {
    const handle = await open(this.#options.path, "a", 0o600);
    return { handle, bytes: (await handle.stat()).size };
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
  }

  async #rotate(): Promise<void> {
    await this.close();
    const { path } = this.#options;
    const time = new Date(this.#clock.now()).toISOString().replace(/:/g, "-").replace("Z", "");
    const { dir, name, ext } = parse(path);
    await rename(path, join(dir, `${name}-${time}${ext}`));
    await this.#removeOld();
  }

  async #removeOld(): Promise<void> {
    const { path, backups_max, age_max_days } = this.#options;
    const { dir, name: stem, ext } = parse(resolve(path));
    const names = (await readdir(dir))
      .filter((name) => name.startsWith(`${stem}-`) && name.endsWith(ext) && TIME.test(name))
      .sort()
      .reverse();
    const oldest_ms = this.#clock.now() - age_max_days * MS_PER_DAY;
    for (const [at, name] of names.entries()) {
      const file = join(dir, name);
      const isOld = age_max_days > 0 && (await stat(file)).mtimeMs < oldest_ms;
      if (isOld || (backups_max > 0 && at >= backups_max)) {
        await tolerate(unlink(file), errno("ENOENT"));
      }
    }
  }
}

/** The time in the name of a file that was put aside. */
const TIME = /-\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}\.\d{3}/;

function toStdout(bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
