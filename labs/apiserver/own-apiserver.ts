import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { KubeConnection } from "@raft2kube/client-kube/transport/credentials.ts";
import { startTestApiserver, type TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { stillAtWork } from "../check.ts";
import { squeezed } from "../walk.ts";
import { type ConfigMapServers, withServers } from "./config-map-servers.ts";

/** The real kubectl, where it is installed. */
export const KUBECTL = (process.env["PATH"] ?? "")
  .split(delimiter)
  .map((folder) => join(folder, "kubectl"))
  .find(existsSync);

const run = promisify(execFile);

/** The apiserver with the reader's parts, on its own store and port. */
export class OwnApiserver {
  readonly servers: ConfigMapServers;
  readonly api: TestApiserver;
  readonly #kubeconfig: string;
  readonly #watching: ChildProcess[] = [];

  constructor(servers: ConfigMapServers, api: TestApiserver, kubeconfig: string) {
    this.servers = servers;
    this.api = api;
    this.#kubeconfig = kubeconfig;
  }

  async connection(): Promise<KubeConnection> {
    const pair = await this.api.credentials("admin", ["system:masters"]);
    return { server: this.api.server, ca: this.api.ca.cert, ...pair };
  }

  /** Returns kubectl's output, regardless of its exit code. */
  async kubectl(words: string, input = ""): Promise<string> {
    const ended = run(KUBECTL!, words.split(" "), { env: this.#env, timeout: 30_000 });
    ended.child.stdin!.end(input);
    const { stdout = "", stderr = "" } = await ended.catch((failure: unknown) => {
      return failure as { stdout?: string; stderr?: string };
    });
    stillAtWork();
    return `${stdout}${stderr}`.trim();
  }

  /** `kubectl get -w`, to the server's end: events and names as they come, `ADDED web`. */
  follow(words: string): string[] {
    const get = ["get", ...words.split(" "), "-w", "--output-watch-events", "--no-headers"];
    const child = spawn(KUBECTL!, get, { env: this.#env, stdio: ["ignore", "pipe", "inherit"] });
    this.#watching.push(child);
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(squeezed(line).split(" ", 2).join(" "));
    });
    return lines;
  }

  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, KUBECONFIG: this.#kubeconfig, HOME: this.api.dir };
  }

  async close(): Promise<void> {
    for (const child of this.#watching) child.kill();
    await this.api.close();
  }
}

/** Runs a check against an apiserver that is started for it. */
export function withApiserver(body: (own: OwnApiserver) => Promise<void>): Promise<void> {
  return withServers(async (servers) => {
    const api = await startTestApiserver(servers.etcd);
    const kubeconfig = await api.kubeconfigFor("admin", ["system:masters"]);
    const own = new OwnApiserver(servers, api, kubeconfig);
    stillAtWork();
    try {
      await body(own);
    } finally {
      await own.close();
    }
  });
}
