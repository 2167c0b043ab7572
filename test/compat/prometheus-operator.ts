import { join } from "node:path";
import { moduleSources } from "./go-module.ts";
import { mustHave, type Place, type Program } from "./program.ts";

const MODULE = "github.com/prometheus-operator/prometheus-operator";
const WEB = ["--web.listen-address", "127.0.0.1:19444"];
const TIMEOUT = "--timeout=60s";

const apply = (place: Place, object: object) =>
  place.kubectl("apply", "--server-side", "-f", "-", { input: JSON.stringify(object) });
const at = (path: string) => ["-n", "monitoring", "-o", `jsonpath={${path}}`];

const object = (kind: string, name: string, spec: object) => ({
  apiVersion: "monitoring.coreos.com/v1",
  kind,
  metadata: { namespace: "monitoring", name },
  spec,
});

/** The Prometheus operator: its definitions, which are the largest there are, and its work. */
export const prometheusOperator: Program = {
  name: "prometheus-operator",
  version: "v0.85.0",
  needs: ["prometheus-operator"],
  uses: [
    {
      use: "apply its ten definitions, of up to 800 KB, on the server",
      async run(place) {
        const dir = join(
          await moduleSources("prometheus-operator", MODULE),
          "example/prometheus-operator-crd",
        );
        await place.kubectl("apply", "--server-side", "-f", dir);
        await place.kubectl("wait", "--for=condition=Established", "crd", "--all", TIMEOUT);
      },
    },
    {
      use: "make a StatefulSet and its configuration of a Prometheus and a ServiceMonitor",
      async run(place) {
        await place.kubectl("create", "namespace", "monitoring");
        await place.start("prometheus-operator", ...WEB);
        await apply(
          place,
          object("ServiceMonitor", "web", {
            selector: { matchLabels: { app: "web" } },
            endpoints: [{ port: "http" }],
          }),
        );
        await apply(
          place,
          object("Prometheus", "main", {
            replicas: 1,
            serviceMonitorSelector: {},
            image: "r2k.local/busybox:1",
          }),
        );
        await place.kubectl(
          "wait",
          "--for=create",
          "statefulset/prometheus-main",
          "-n",
          "monitoring",
          TIMEOUT,
        );
        await place.kubectl(
          "wait",
          "--for=create",
          "secret/prometheus-main",
          "-n",
          "monitoring",
          TIMEOUT,
        );
        mustHave(await place.kubectl("get", "prometheus", "main", ...at(".status.replicas")), "1");
      },
    },
    {
      use: "follow a change, and remove what it made",
      async run(place) {
        const patch = JSON.stringify({ spec: { replicas: 2 } });
        await place.kubectl(
          "patch",
          "prometheus",
          "main",
          "-n",
          "monitoring",
          "--type=merge",
          "-p",
          patch,
        );
        await place.kubectl(
          "wait",
          "--for=jsonpath={.spec.replicas}=2",
          "statefulset/prometheus-main",
          "-n",
          "monitoring",
          TIMEOUT,
        );
        await place.kubectl("delete", "prometheus", "main", "-n", "monitoring", TIMEOUT);
        await place.kubectl(
          "wait",
          "--for=delete",
          "statefulset/prometheus-main",
          "-n",
          "monitoring",
          TIMEOUT,
        );
      },
    },
  ],
};
