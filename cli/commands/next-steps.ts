import { dirname } from "node:path";
import type { ClusterConfig } from "../cluster/config.ts";

/** What a person does next: the kubeconfig, three commands to try, the lines for the shell. */
export function nextSteps(config: ClusterConfig, kubeconfig: string, took_s: number): string {
  const ready = took_s > 0 ? `Ready in ${took_s.toFixed(1)} s. ` : "";
  const bin = process.env["R2K_ROOT"] ?? dirname(process.argv[1] ?? ".");
  const other = config.name === "default" ? "" : ` --name ${config.name}`;
  return `
${ready}Node ${config.nodeName}, API https://127.0.0.1:${config.apiPort}

In this shell:
  export KUBECONFIG=${kubeconfig}
  export PATH=${bin}:$PATH

Try:
  kubectl get pods,services -o wide
  curl http://$(kubectl get service web -o jsonpath={.spec.clusterIP})/
  kubectl exec -it deploy/web -- sh

Then:
  r2k status${other}      what runs
  r2k down${other}        stop, keep the data  (--purge: remove that too)
`;
}
