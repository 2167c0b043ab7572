import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Outcome, OwnHost } from "./own-host.ts";

const ROOT = join(import.meta.dirname, "../..");

/** The checkout at a path that every user can read. */
export interface UserCheckout {
  /** A folder of the user's own. */
  readonly own: string;
  /** r2k's program and first arguments. */
  readonly r2k: readonly [string, string];
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Shows the checkout to a user of a host. */
export async function openCheckout(host: OwnHost, user: number): Promise<UserCheckout> {
  chmodSync(host.dir, 0o755);
  const checkout = join(host.dir, "checkout");
  const own = join(host.dir, "own");
  for (const dir of [checkout, own]) mkdirSync(dir);
  chownSync(own, user, user);
  const mounted = await host.run("mount", ["--bind", ROOT, checkout]);
  if (mounted.code !== 0) throw new Error(`mount: ${mounted.stderr}`);
  return {
    own,
    r2k: [join(checkout, "node_modules/node/bin/node"), join(checkout, ".cache/bundle/main.js")],
    env: { R2K_ROOT: checkout, R2K_DATA: join(own, "data"), R2K_RUN: join(own, "run"), HOME: own },
    close: async () => void (await host.run("umount", [checkout])),
  };
}

/** User, network and mount namespaces that an ordinary user made, in a host of a test's own. */
export class UserNamespace {
  readonly #host: OwnHost;
  readonly #user: number;
  readonly #holder: ChildProcess;
  readonly #pid: number;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(
    host: OwnHost,
    made: { user: number; holder: ChildProcess; pid: number; env: UserCheckout["env"] },
  ) {
    this.#host = host;
    this.#user = made.user;
    this.#holder = made.holder;
    this.#pid = made.pid;
    this.#env = made.env;
  }

  /** `user` becomes root in it, and is all the ids that there are. */
  static async create(
    host: OwnHost,
    user: number,
    env: Readonly<Record<string, string>>,
  ): Promise<UserNamespace> {
    const script = "echo $$; exec cat > /dev/null";
    const make = [...asUser(user), "unshare", "-Urnm", "sh", "-ec", script];
    const holder = host.start("setpriv", make);
    const [said] = (await once(holder.stdout!, "data")) as [Buffer];
    return new UserNamespace(host, { user, holder, pid: Number(said.toString()), env });
  }

  /** Runs a program in it as its root. */
  run(
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Outcome> {
    const target = ["--target", String(this.#pid), "--user", "--net", "--mount"];
    const enter = [...asUser(this.#user), "nsenter", "--preserve-credentials", ...target];
    return this.#host.run("setpriv", [...enter, program, ...args], {
      env: { ...this.#env, ...env },
    });
  }

  /** Standard output of a program; throws with all that was printed when it fails. */
  async ask(program: string, args: readonly string[], env = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(program, args, env);
    if (code === 0) return stdout.trim();
    throw new Error(`${program} ${args.join(" ")}: exit code ${code}\n${stderr}${stdout}`);
  }

  /** Ends the namespace. Its processes must have ended. */
  async close(): Promise<void> {
    const ended = once(this.#holder, "exit");
    this.#holder.stdin?.end();
    await ended;
  }
}

/** setpriv(1)'s flags that make a program run as a user, and in no other groups. */
export function asUser(user: number): string[] {
  return ["--reuid", String(user), "--regid", String(user), "--clear-groups"];
}
