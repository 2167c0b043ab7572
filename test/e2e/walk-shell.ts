import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { expect } from "vitest";
import { compared, squeezed, type Walk } from "../../labs/walk.ts";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS } from "./cluster.ts";
import type { OwnHost } from "./own-host.ts";

const ROOT = join(import.meta.dirname, "../..");
/** A CronJob's next start may be a minute away, an autoscaler's step three of its looks. */
const patience = { clock: machineClock(), timeout_ms: 120_000, interval_ms: ASK_MS };
/** Commands that only ask: their answer may still be on its way. */
const READS = "get|describe|logs|top|auth|rollout history|exec \\S+ -- rows";
const ASKS = new RegExp(`^(kubectl (-s \\S+ )?(${READS})|curl|for) `);
/** A command after a value is no assignment: the value is for that command alone. */
const ASSIGNMENT = /^([A-Z]+)=(\S*|\$\(.*\))$/;

/** The host of a document's shell, and the cluster that the document calls `default`. */
interface Place {
  readonly host: OwnHost;
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A shell on a cluster's host, in the repository's folder, in which a document is followed. */
export class WalkShell {
  readonly #cluster: Place;
  readonly #variables: Record<string, string> = {};

  constructor(cluster: Place) {
    this.#cluster = cluster;
  }

  /**
   * Runs a command and compares what it prints. One that only asks is repeated until the answer is
   * the expected one, as the documents say.
   */
  async follow({ command, expected }: Walk): Promise<void> {
    const [, name, value] = ASSIGNMENT.exec(command) ?? [];
    if (name) {
      this.#variables[name] = (await this.#run(`printf %s ${value}`)).trim();
      return;
    }
    const wanted = expected.length > 0 ? expected.map(squeezed) : [""];
    let last: string[] = [];
    const fits = async () => {
      last = compared(await this.#run(command), expected);
      return last.join("\n") === wanted.join("\n");
    };
    if (!(await fits()) && ASKS.test(command)) {
      await waitFor(command, fits, patience).catch((cause: unknown) => {
        throw new Error(`${String(cause)}; it prints:\n${last.join("\n")}`, { cause });
      });
    }
    expect(last, command).toEqual(wanted);
  }

  async #run(command: string): Promise<string> {
    // As root nothing is asked for; sudo would drop the variables that move the cluster's folders.
    const here = command
      .replaceAll("sudo -E env PATH=$PATH ", "")
      .replaceAll("sudo ", "")
      .replaceAll("/var/lib/r2k/default", `$R2K_DATA/${this.#cluster.name}`)
      .replaceAll("/run/r2k/default", `$R2K_RUN/${this.#cluster.name}`)
      .replace(/^r2k image load/, `$& --name ${this.#cluster.name}`);
    const path = `${ROOT}:${process.env["PATH"] ?? ""}`;
    const env = { ...this.#cluster.env, ...this.#variables, PATH: path, R2K_ROOT: ROOT };
    const script = `cd "$R2K_ROOT"; exec 2>&1; ${here}`;
    return (await this.#cluster.host.run("sh", ["-c", script], { env })).stdout;
  }
}
