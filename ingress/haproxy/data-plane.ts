import { execFile } from "node:child_process";
import { mkdir, readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { isDeepStrictEqual, promisify } from "node:util";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, errno, isErrno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import {
  CHECK_MS_MAX,
  RELOAD_MS_MAX,
  RELOAD_POLL_MS,
  RUNTIME_ANSWER_BYTES_MAX,
  RUNTIME_COMMANDS_MAX,
  RUNTIME_MS_MAX,
} from "../limits.ts";
import type { Plan } from "../plan/model.ts";
import type { ReloadPace } from "./reload-pace.ts";
import { CONFIG, type Rendered, render, withServers } from "./render.ts";
import type { Server } from "./servers.ts";
import { unfitPairs, withoutPairs } from "./unfit-pairs.ts";

const run = promisify(execFile);
const log = logger("ingress");

/** The folder that this program and haproxy share has these names. */
const CURRENT = "current";
/** `current` is a link to one of these. */
const FOLDERS = ["a", "b"];
const MASTER = "master.sock";
const RUNTIME = "runtime.sock";
/** Matches an answer of the runtime socket to a change that it has made. */
const CHANGED = /^(|IP changed .*|port changed .*|no need to change .*|nothing changed.*)$/;

export interface DataPlaneOptions {
  /** Folder that haproxy shares; it reads the file `current/haproxy.cfg` there. */
  readonly dir: string;
  /** The program that checks configurations. */
  readonly haproxy: string;
  readonly clock: Clock;
}

/**
 * Writes configurations for a haproxy that runs in another container, and makes it take them: a
 * change of endpoints over its runtime socket, any other by a reload, in which the new process
 * takes the listening sockets over and the former one answers its open requests.
 */
export class DataPlane {
  readonly #options: DataPlaneOptions;
  readonly #report = failureLog(log, "endpoints could not be changed");
  #applied: Rendered | undefined;

  constructor(options: DataPlaneOptions) {
    this.#options = options;
  }

  /** Writes a configuration for a haproxy that is not started yet. */
  async prepare(plan: Plan): Promise<void> {
    await this.#place(render(plan, this.#path(RUNTIME)));
  }

  /**
   * Applies a plan. Where its reload has to wait, applies the endpoints of the backends that it
   * shares with the former plan, and returns the milliseconds until the reload is due. Leaves out
   * pairs that haproxy refuses, and reports their ids: one tenant's would stop the changes of all.
   * Throws CodedError `BAD_CONFIGURATION` and keeps the former plan, but for these endpoints.
   */
  async apply(
    plan: Plan,
    { pace, refused }: { pace?: ReloadPace; refused?: (ids: ReadonlySet<string>) => void } = {},
  ): Promise<number | undefined> {
    try {
      return await this.#apply(plan, pace);
    } catch (thrown) {
      if (!isErrno(thrown, "BAD_CONFIGURATION")) throw thrown;
      const folder = this.#path(await this.#spareFolder());
      const unfit = await unfitPairs(this.#options.haproxy, folder, plan);
      if (unfit.size === 0) throw thrown;
      refused?.(unfit);
      return await this.#apply(withoutPairs(plan, unfit), pace);
    }
  }

  async #apply(plan: Plan, pace?: ReloadPace): Promise<number | undefined> {
    const former = this.#applied;
    const wanted = render(plan, this.#path(RUNTIME), former?.servers);
    if (former?.structure === wanted.structure && (await this.#change(former, wanted))) {
      return undefined;
    }
    const left_ms = pace?.left_ms ?? 0;
    const changeServers = async () => former && this.#change(former, withServers(former, wanted));
    if (left_ms > 0 && (await changeServers())) return left_ms;
    try {
      await this.#place(wanted);
    } catch (thrown) {
      // Others' endpoints do not wait until the object that is to blame is gone.
      await changeServers().then(() => this.#report(), this.#report);
      throw thrown;
    }
    pace?.count();
    // A failure leaves open which configuration serves: its endpoints are not to be changed.
    this.#applied = undefined;
    await this.#reload();
    this.#applied = wanted;
    return undefined;
  }

  /** Writes all files into the folder that is not current, checks them, and makes it current. */
  async #place({ files }: Rendered): Promise<void> {
    const { haproxy, dir } = this.#options;
    await mkdir(dir, { recursive: true });
    const name = await this.#spareFolder();
    await rm(this.#path(name), { recursive: true, force: true });
    await mkdir(this.#path(name), { mode: 0o700 });
    for (const [file, text] of files) {
      await writeFile(join(this.#path(name), file), text, { mode: 0o600 });
    }
    try {
      const options = { timeout: CHECK_MS_MAX, maxBuffer: 1 << 20 };
      await run(haproxy, ["-c", "-f", join(this.#path(name), CONFIG)], options);
    } catch (cause) {
      const message = `haproxy refuses the configuration: ${messageOf(cause).slice(0, 2_000)}`;
      throw new CodedError("BAD_CONFIGURATION", message, { cause });
    }
    await rm(this.#path("next"), { force: true });
    await symlink(name, this.#path("next"));
    await rename(this.#path("next"), this.#path(CURRENT));
  }

  /** Resolves with the name of the folder that is not current. */
  async #spareFolder(): Promise<string> {
    const current = await tolerate(readlink(this.#path(CURRENT)), errno("ENOENT"));
    return FOLDERS.find((each) => each !== current)!;
  }

  async #reload(): Promise<void> {
    const master = this.#path(MASTER);
    const { clock } = this.#options;
    const before = currentWorker(await command(master, "show proc"));
    await command(master, "reload");
    await waitFor(
      "haproxy's new process",
      async () => {
        const worker = currentWorker(await command(master, "show proc"));
        if (worker === undefined || worker === before) return undefined;
        return (await command(this.#path(RUNTIME), "show info")).includes(`Pid: ${worker}\n`);
      },
      { clock, timeout_ms: RELOAD_MS_MAX, interval_ms: RELOAD_POLL_MS },
    );
  }

  /**
   * Changes servers in the file, for a haproxy that is started again, and in the one that runs;
   * resolves with whether it has made all changes.
   */
  async #change(former: Rendered, wanted: Rendered): Promise<boolean> {
    const text = wanted.files.get(CONFIG)!;
    if (former.files.get(CONFIG) === text) return true;
    const file = this.#path(join(CURRENT, CONFIG));
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
    const commands = [...wanted.servers].flatMap(([backend, servers]) =>
      changes(backend, former.servers.get(backend) ?? [], servers),
    );
    for (let at = 0; at < commands.length; at += RUNTIME_COMMANDS_MAX) {
      const line = commands.slice(at, at + RUNTIME_COMMANDS_MAX).join(";");
      const answer = await command(this.#path(RUNTIME), line);
      if (!answer.split("\n").every((each) => CHANGED.test(each.trim()))) return false;
    }
    this.#applied = wanted;
    return true;
  }

  #path(name: string): string {
    return join(this.#options.dir, name);
  }
}

function changes(backend: string, former: readonly Server[], wanted: readonly Server[]): string[] {
  return wanted.flatMap((server, index) => {
    const set = `set server ${backend}/s${index}`;
    const before = former[index];
    const { endpoint } = server;
    if (!endpoint) return before?.endpoint ? [`${set} state maint`] : [];
    if (before?.endpoint && isDeepStrictEqual(before, server)) return [];
    const { address, port } = endpoint;
    return [
      `${set} addr ${address} port ${port}`,
      `${set} weight ${server.weight}`,
      `${set} state ready`,
    ];
  });
}

/** Sends one line of commands to a socket of haproxy; resolves with its whole answer. */
export function command(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let answer = "";
    const fail = (why: string, cause?: unknown) => {
      socket.destroy();
      reject(
        new CodedError("NO_HAPROXY", `${path}: ${why}`, {
          remedy: "look at the log of the container haproxy",
          ...(cause ? { cause } : {}),
        }),
      );
    };
    socket.setEncoding("utf8").setTimeout(RUNTIME_MS_MAX, () => fail("no answer in time"));
    socket.on("error", (cause) => fail(cause.message, cause));
    socket.on("data", (text: string) => {
      answer += text;
      if (answer.length > RUNTIME_ANSWER_BYTES_MAX) fail("its answer is too large");
    });
    socket.on("close", () => resolve(answer));
    socket.end(`${line}\n`);
  });
}

/** The worker that serves now, of the answer to `show proc`; undefined while none does. */
export function currentWorker(answer: string): number | undefined {
  const [, workers = ""] = answer.split("# workers");
  const [current = ""] = workers.split("# old workers");
  const pid = /^(\d+)\s+worker\s/m.exec(current)?.[1];
  return pid === undefined ? undefined : Number(pid);
}
