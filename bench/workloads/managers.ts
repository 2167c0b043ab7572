import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SERVICE_ACCOUNTS } from "@raft2kube/client-kube/rest/resources.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Credentials } from "../apiserver/credentials.ts";
import { bundleOf, cpu_ms, peer, ROOT } from "../apiserver/sides.ts";

const START_TIMEOUT_MS = 180_000;

type Place = { readonly server: string; readonly dir: string; readonly credentials: Credentials };

/** A controller manager of one make. */
export interface Manager {
  readonly name: string;
  start(place: Place, client: KubeClient): Promise<RunningManager>;
}

interface RunningManager {
  cpu_ms(): number;
  close(): Promise<void>;
}

/** Nodes without kubelets: nothing may come to think that they are lost. */
const CONTROLLERS = [
  "*",
  "-node-lifecycle-controller",
  "-node-ipam-controller",
  "-taint-eviction-controller",
].join(",");

/** Ours, and upstream's with the rates of requests that ours has by default. */
export function managers(): readonly [ours: Manager, theirs: Manager] {
  const { apiserver } = bundleOf(ROOT);
  const peerProgram = peer("kube-controller-manager");
  return [
    {
      name: "r2k controllers",
      start: (place, client) => start([...apiserver, "controllers"], place, client, {}),
    },
    {
      name: "kube-controller-manager 1.36.0",
      start: (place, client) =>
        start([peerProgram], place, client, {
          "service-account-private-key-file": place.credentials.serviceAccount.key,
          "kube-api-qps": "50",
          "kube-api-burst": "100",
        }),
    },
  ];
}

async function start(
  [program = "", ...args]: readonly string[],
  { server, dir, credentials }: Place,
  client: KubeClient,
  more: Readonly<Record<string, string>>,
): Promise<RunningManager> {
  const read = (file: string) => readFileSync(file, "utf8");
  const { ca, admin } = credentials;
  const config = join(dir, "controllers.kubeconfig");
  const access = { server, ca: read(ca), cert: read(admin.cert), key: read(admin.key) };
  writeFileSync(config, kubeconfig("bench", access), { mode: 0o600 });
  const flags = {
    kubeconfig: config,
    "root-ca-file": ca,
    "leader-elect": "false",
    "secure-port": "0",
    "use-service-account-credentials": "true",
    controllers: CONTROLLERS,
    ...more,
  };
  const words = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const log = openSync(join(dir, "controllers.log"), "a");
  const env = { ...process.env, R2K_LOG: "warn", MALLOC_ARENA_MAX: "1" };
  // Objects that the other manager made before do not show that this one works.
  const account = { namespace: "default", name: "default" };
  const accounts = client.resource(SERVICE_ACCOUNTS);
  await accounts.delete(account).catch((thrown: unknown) => {
    if (!isNotFound(thrown)) throw thrown;
  });
  const child = spawn(program, [...args, ...words], { stdio: ["ignore", log, log], env });
  const close = async () => {
    const gone = child.exitCode === null ? once(child, "exit") : undefined;
    child.kill("SIGKILL");
    await gone;
  };
  try {
    await waitFor("the default ServiceAccount", () => accounts.get(account), {
      clock: client.clock,
      timeout_ms: START_TIMEOUT_MS,
    });
  } catch (thrown) {
    process.stderr.write(read(join(dir, "controllers.log")).slice(-2_000));
    await close();
    throw thrown;
  }
  return { cpu_ms: () => cpu_ms(child.pid!), close };
}
