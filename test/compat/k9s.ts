import { spawn } from "node:child_process";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { systemClock } from "../../base/std/clock.ts";
import { waitFor } from "../../base/std/wait.ts";
import type { Place, Program } from "./program.ts";

const K9S = join(import.meta.dirname, "../../.peers/bin/k9s");
const IMAGE = "--image=r2k.local/busybox:1";
const COUNTS = "i=0; while :; do i=$((i + 1)); echo count $i; sleep 1; done";
const TIMEOUT = "--timeout=120s";
const SEEN_ms = 60_000;

/** k9s in a terminal of 160 x 40, which reads the keys that a step types. */
class Terminal implements Disposable {
  readonly #child;
  /** The text drawn since the last keys, without the terminal's control characters. */
  #drawn = "";

  constructor({ kubeconfig }: Place, view: string) {
    const command = `stty cols 160 rows 40; TERM=xterm exec ${K9S} --logoless --command ${view}`;
    const env = {
      ...process.env,
      KUBECONFIG: kubeconfig,
      PATH: `${join(K9S, "..")}:/usr/bin:/bin`,
    };
    const stdio: ["pipe", "pipe", "ignore"] = ["pipe", "pipe", "ignore"];
    this.#child = spawn("script", ["-qec", command, "/dev/null"], { stdio, env });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#drawn += stripVTControlCharacters(text);
    });
  }

  type(keys: string): void {
    this.#drawn = "";
    this.#child.stdin.write(keys);
  }

  /** Waits until a text was drawn since the last keys. */
  async sees(text: RegExp): Promise<void> {
    const bounds = { clock: systemClock(), timeout_ms: SEEN_ms, interval_ms: 50 };
    await waitFor(`${text} on the screen`, () => text.test(this.#drawn), bounds);
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}

const ready = (place: Place, replicas: number) =>
  place.kubectl(
    "wait",
    `--for=jsonpath={.status.readyReplicas}=${replicas}`,
    "deploy/shown",
    TIMEOUT,
  );

/** k9s: a cluster in a terminal, by watches of what is on the screen. */
export const k9s: Program = {
  name: "k9s",
  version: "v0.50.9",
  needs: ["k9s"],
  uses: [
    {
      use: "list a Deployment's pods, describe one, follow its logs, work in its shell",
      async run(place) {
        const counts = ["--replicas=2", "--", "sh", "-c", COUNTS];
        await place.kubectl("create", "deployment", "shown", IMAGE, ...counts);
        await ready(place, 2);
        using terminal = new Terminal(place, "pods");
        await terminal.sees(/shown-\w+-\w+[^]*Running/);
        terminal.type("d");
        await terminal.sees(/Service Account:/);
        terminal.type("\x1b");
        await terminal.sees(/shown-\w+-\w+/);
        terminal.type("l");
        await terminal.sees(/count \d/);
        terminal.type("\x1b");
        await terminal.sees(/shown-\w+-\w+/);
        terminal.type("s");
        await terminal.sees(/\/ # /);
        terminal.type("echo in-$((6 * 7))\r");
        await terminal.sees(/in-42/);
      },
    },
    {
      use: "scale a Deployment in its dialog",
      async run(place) {
        using terminal = new Terminal(place, "deployments");
        await terminal.sees(/shown/);
        terminal.type("s");
        await terminal.sees(/Replicas:/);
        terminal.type("\x7f3\t\r");
        await ready(place, 3);
        await place.kubectl("delete", "deployment", "shown", TIMEOUT);
      },
    },
  ],
};
