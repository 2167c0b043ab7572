import { dirname } from "node:path";
import type { ClusterConfig } from "../spec/config.ts";

const WITH_DEMO = [
  "kubectl get pods,services -o wide",
  "curl http://$(kubectl get service web -o jsonpath={.spec.clusterIP})/",
  "kubectl exec -it deploy/web -- sh",
];

const WITHOUT_DEMO = [
  "kubectl get nodes,services -o wide",
  "kubectl apply -f examples/web.yaml",
  "kubectl run -it --rm shell --image=r2k.local/busybox:1 -- sh",
];

const WITH_NFS = [
  "kubectl apply -f examples/nfs-writers.yaml",
  "kubectl exec daemonset/writers -- sh -c 'tail /data/*'",
];

export interface Started {
  readonly kubeconfig: string;
  readonly demo: boolean;
  readonly nfsDemo: boolean;
  /** Durations; undefined when the cluster was running already. */
  readonly took: Took | undefined;
}

export interface Took {
  /** Seconds from the command's first line until the cluster is ready, without the installation. */
  readonly took_s: number;
  /** npm's and Debian's packages that were missing. */
  readonly install_s: number;
}

/**
 * The time since the command started: `bootstrap.mjs` ran before this process, and names the part
 * that it spent on the installation. `packages_ms` is what this process spent on it.
 */
export function timeTaken(
  packages_ms: number,
  { uptime_s, env }: { uptime_s: number; env: NodeJS.ProcessEnv },
): Took {
  const before_s = Number(env["R2K_BEFORE_S"] ?? 0);
  const npm_s = Number(env["R2K_INSTALL_S"] ?? 0);
  const own_s = packages_ms / 1000;
  return { took_s: before_s + uptime_s - own_s, install_s: npm_s + own_s };
}

/** Prints the next steps: the kubeconfig, three commands to try, the lines for the shell. */
export function nextSteps(config: ClusterConfig, started: Started): string {
  const { kubeconfig, demo, nfsDemo, took } = started;
  const commands = [...(demo ? WITH_DEMO : WITHOUT_DEMO), ...(nfsDemo ? WITH_NFS : [])];
  const installed =
    took && took.install_s > 0 ? `, after ${took.install_s.toFixed(1)} s of installation` : "";
  const ready = took ? `Ready in ${took.took_s.toFixed(1)} s${installed}. ` : "";
  const bin = process.env["R2K_ROOT"] ?? dirname(process.argv[1] ?? ".");
  const other = config.name === "default" ? "" : ` --name ${config.name}`;
  return `
${ready}Node ${config.nodeName}, API https://127.0.0.1:${config.apiPort}

In this shell:
  export KUBECONFIG=${kubeconfig}
  export PATH=${bin}:$PATH

Try:
${commands.map((line) => `  ${line}`).join("\n")}

Then:
  docs/walks/README.md    pages to follow: rolling updates, a canary, a database, ...
  r2k status${other}      what runs
  r2k down${other}        stop, keep the data  (--purge: remove that too)
`;
}
