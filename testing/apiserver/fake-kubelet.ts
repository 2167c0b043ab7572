import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";

type Exposition = () => string | undefined;

const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

/** A kubelet that serves metrics of resources and nothing else, for tests. */
export interface FakeKubelet {
  readonly port: number;
  /**
   * The body of `/metrics/resource`, called for each request; undefined switches protocols without
   * being asked to.
   */
  exposition: Exposition;
  /** Requests so far. */
  readonly asked: number;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1 with a certificate of `ca`, and requests one of it from clients. */
export async function startFakeKubelet(
  ca: KeyPair,
  exposition: Exposition,
  now_ms = Date.now(),
): Promise<FakeKubelet> {
  const pair = await issueCertificate(
    ca,
    { commonName: "system:node:fake", ipAddresses: ["127.0.0.1"], usages: ["server"], days: 1 },
    now_ms,
  );
  const state = { exposition, asked: 0 };
  const server = createServer({ ...pair, ca: ca.cert, requestCert: true }, (request, response) => {
    state.asked++;
    const isKnown = request.url === "/metrics/resource";
    const body = isKnown ? state.exposition() : "";
    if (body === undefined) request.socket.write(SWITCH);
    else response.writeHead(isKnown ? 200 : 404).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get exposition() {
      return state.exposition;
    },
    set exposition(next) {
      state.exposition = next;
    },
    get asked() {
      return state.asked;
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

interface Container {
  namespace: string;
  pod: string;
  container: string;
  cpu_s: number;
  memory_bytes: number;
  start_ms?: number;
}

/** A body of `/metrics/resource`. */
export function expositionText(
  time_ms: number,
  node: { cpu_s: number; memory_bytes: number },
  containers: Container[],
): string {
  const lines = [
    `node_cpu_usage_seconds_total ${node.cpu_s} ${time_ms}`,
    `node_memory_working_set_bytes ${node.memory_bytes} ${time_ms}`,
    ...containers.flatMap(({ cpu_s, memory_bytes, start_ms = 1_000, ...names }) => {
      const { container, namespace, pod } = names;
      const of = `{container="${container}",namespace="${namespace}",pod="${pod}"}`;
      return [
        `container_cpu_usage_seconds_total${of} ${cpu_s} ${time_ms}`,
        `container_memory_working_set_bytes${of} ${memory_bytes} ${time_ms}`,
        `container_start_time_seconds${of} ${start_ms / 1e3}`,
      ];
    }),
  ];
  return `${lines.join("\n")}\n`;
}
