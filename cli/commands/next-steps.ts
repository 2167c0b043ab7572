import { dirname } from "node:path";
import type { ClusterConfig } from "../cluster/config.ts";

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
  /** 0 when the cluster was running already. */
  readonly took_s: number;
}

/** Prints the next steps: the kubeconfig, three commands to try, the lines for the shell. */
export function nextSteps(config: ClusterConfig, started: Started): string {
  const { kubeconfig, demo, nfsDemo, took_s } = started;
  const commands = [...(demo ? WITH_DEMO : WITHOUT_DEMO), ...(nfsDemo ? WITH_NFS : [])];
  const ready = took_s > 0 ? `Ready in ${took_s.toFixed(1)} s. ` : "";
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
