import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { CONTROLLER, prepareDataPlane, startIngress } from "@raft2kube/ingress/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { portNumber } from "../flag-numbers.ts";
import { commandWith, required } from "../flags.ts";
import { podConnection } from "./pod-connection.ts";
import { runPart } from "./run-part.ts";

/** `r2k ingress`: serves Ingresses with a haproxy that shares a folder with it. */
export const command = () =>
  commandWith(
    "ingress",
    "Serve Ingresses with haproxy.",
    {
      "--kubeconfig <file>": "how to reach the apiserver; default: as the pod's service account",
      "--dir <folder>": required("shared with haproxy -W -S DIR/master.sock,mode,600"),
      "--haproxy <file>": ["the program that checks configurations", "/usr/sbin/haproxy"],
      "--http-port <port>": ["where haproxy listens for HTTP", "8080"],
      "--https-port <port>": ["the same for HTTPS", "8443"],
      "--controller <name>": ["the controller of the IngressClasses that it serves", CONTROLLER],
      "--service <name>": ["namespace/name of the Service in front", "ingress/ingress"],
      "--prepare": "write the configuration that haproxy starts with, and end",
    },
    async (flags) => {
      const { dir, haproxy, controller, service } = flags;
      const http = portNumber("--http-port", flags.httpPort, 1);
      const https = portNumber("--https-port", flags.httpsPort, 1);
      const clock = systemClock();
      if (flags.prepare) return prepareDataPlane({ dir, haproxy, clock });
      const { kubeconfig } = flags;
      const connection =
        kubeconfig === undefined
          ? await podConnection("r2k ingress --kubeconfig")
          : await kubeConnection(kubeconfig);
      const client = new KubeClient({ ...connection, clock, userAgent: "r2k-ingress" });
      const ports = { http, https };
      await runPart("ingress", () => {
        return startIngress({ client, dir, haproxy, controller, service, ports, clock });
      });
      client.close();
    },
  );
