import { join } from "node:path";
import type { OwnHost } from "./own-host.ts";

export interface LoadResult {
  readonly requests: number;
  readonly failures: readonly string[];
  /** How often each answer's first line was seen. */
  readonly answers: ReadonlyMap<string, number>;
}

export interface RunningLoad {
  /** Lets the clients finish the request they are at, and counts. */
  stop(): Promise<LoadResult>;
  /** Requests answered so far. */
  count(): number;
}

const CLIENT = join(import.meta.dirname, "load-client.ts");

/** A pause for clients that watch whether a Service answers, and leave the processors to others. */
const WATCHING_MS = 40;
const WATCHERS = 2;
/**
 * A pause for clients of the demo's page, for which a pod starts a shell: without one they take all
 * the processors that they can get for as long as an update takes.
 */
const PAGE_MS = 30;

/**
 * Clients in the host's network that open a new connection for every request, until stopped, with a
 * pause after each answer.
 */
export function startLoad(
  host: OwnHost,
  url: string,
  clients: number,
  pause_ms = PAGE_MS,
): RunningLoad {
  const child = host.start(process.execPath, [CLIENT, url, String(clients), String(pause_ms)]);
  const failures: string[] = [];
  const answers = new Map<string, number>();
  let requests = 0;
  let rest = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { answer, failure } = JSON.parse(line) as { answer?: string; failure?: string };
      requests++;
      if (failure !== undefined) failures.push(failure);
      else answers.set(answer ?? "", (answers.get(answer ?? "") ?? 0) + 1);
    }
  });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    count: () => requests,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) {
        failures.push(`the clients ended by themselves: ${child.exitCode ?? child.signalCode}`);
      } else child.stdin!.write("stop\n");
      await closed;
      return { requests, failures, answers };
    },
  };
}

/**
 * Clients that watch whether the demo's Service answers. They get a file of its pods: for the page
 * a pod starts a shell each time.
 */
export function watchService(host: OwnHost, url: string): RunningLoad {
  return startLoad(host, new URL("healthz", url).href, WATCHERS, WATCHING_MS);
}
