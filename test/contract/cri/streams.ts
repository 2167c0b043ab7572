import { waitFor } from "../../../testing/wait.ts";
import { type Session, spdySession, type Wanted, webSocketSession } from "./stream-client.ts";
import type { Bench } from "./suite.ts";

/** How the rules about streams open them. */
export interface Streams {
  /** Both protocols of Kubernetes' clients. */
  kinds: string[];
  /** Whether this protocol can end standard input. */
  endsInput(kind: string): boolean;
  open(kind: string, url: string, wanted: Wanted): Promise<Session>;
  /** A running container. */
  running(config?: object, command?: string[]): Promise<string>;
  /** The URL of a shell command in a container. */
  exec(containerId: string, script: string, wanted: Wanted): Promise<string>;
  /** Presses return until the output has the words: what a terminal program prints each time. */
  pressUntil(session: Session, words: string): Promise<void>;
}

export function streamsOf(bench: Bench): Streams {
  const { webSocketV5 } = bench.implementation.knows;
  const protocol = webSocketV5 ? "v5.channel.k8s.io" : "v4.channel.k8s.io";
  return {
    kinds: ["SPDY", "WebSocket"],
    endsInput: (kind) => kind === "SPDY" || webSocketV5,
    open: (kind, url, wanted) =>
      kind === "SPDY" ? spdySession(url, wanted) : webSocketSession(url, wanted, protocol),
    async running(config = {}, command) {
      const { pods } = bench;
      return pods.start(await pods.run(), { config, ...(command && { command }) });
    },
    async exec(containerId, script, wanted) {
      const { stdin = false, stderr = false, tty = false } = wanted;
      const cmd = ["sh", "-c", script];
      const request = { containerId, cmd, stdin, stdout: true, stderr, tty };
      return (await bench.served.runtime.exec(request)).url;
    },
    async pressUntil(session, words) {
      const press = () => {
        session.write("\n");
        return session.output().includes(words);
      };
      await waitFor(`"${words}"`, press, { interval_ms: 100 });
    },
  };
}
