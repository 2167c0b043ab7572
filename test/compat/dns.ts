import { join } from "node:path";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program } from "./program.ts";

const VERSION = "v0.20.0";
const MODULE = `sigs.k8s.io/external-dns@${VERSION}`;
const NAMES = join(import.meta.dirname, "testdata/dns.yaml");
const IN = ["-n", "names"];
const TIMEOUT = "--timeout=180s";
const TIMEOUT_s = 120;

/** CoreDNS beside an etcd that may have records, and a client. */
async function installCoredns(place: Place): Promise<void> {
  await buildImage(place, "compat.local/coredns:1", "coredns", "/coredns");
  await buildImage(place, "compat.local/etcd:1", "etcd", "/etcd");
  await place.kubectl("apply", "--server-side", "-f", NAMES);
  await place.kubectl("rollout", "status", "deployment/coredns", ...IN, TIMEOUT);
  await place.kubectl("rollout", "status", "statefulset/db", ...IN, TIMEOUT);
  await place.kubectl("wait", "--for=condition=Ready", "pod/client", ...IN, TIMEOUT);
}

async function valueOf(place: Place, object: string, path: string): Promise<string> {
  return place.kubectl("get", object, ...IN, `-o=jsonpath={${path}}`);
}

/** Awaits that CoreDNS's answer for a name has the words; with none, that there is no such name. */
async function untilAnswered(place: Place, name: string, ...words: string[]): Promise<void> {
  const server = await valueOf(place, "service/coredns", ".spec.clusterIP");
  const wanted = words.length > 0 ? words : ["NXDOMAIN"];
  const asked = `nslookup ${name} ${server} 2>&1`;
  const all = wanted.map((word) => `echo "$said" | grep -qF "${word}"`).join(" && ");
  const loop = `until said=$(${asked}); ${all}; do sleep 1; done`;
  await place.kubectl("exec", "client", ...IN, "--", "timeout", `${TIMEOUT_s}`, "sh", "-c", loop);
}

/** CoreDNS: the cluster's names by its plugin, which watches the API. */
export const coredns: Program = {
  name: "CoreDNS",
  version: "v1.13.1",
  needs: ["coredns", "etcd"],
  uses: [
    {
      use: "answer for a Service, the pods of a headless one, each by its name, and an address",
      async run(place) {
        await installCoredns(place);
        const address = await valueOf(place, "service/coredns", ".spec.clusterIP");
        await untilAnswered(place, "coredns.names.svc.cluster.local.", `Address: ${address}`);
        const first = await valueOf(place, "pod/db-0", ".status.podIP");
        const second = await valueOf(place, "pod/db-1", ".status.podIP");
        await untilAnswered(place, "db.names.svc.cluster.local.", first, second);
        await untilAnswered(place, "db-1.db.names.svc.cluster.local.", second);
        await untilAnswered(place, second, "db-1.db.names.svc.cluster.local");
      },
    },
    {
      use: "follow pods that come and go",
      async run(place) {
        await place.kubectl("scale", "statefulset/db", "--replicas=3", ...IN);
        await place.kubectl("rollout", "status", "statefulset/db", ...IN, TIMEOUT);
        const third = await valueOf(place, "pod/db-2", ".status.podIP");
        await untilAnswered(place, "db-2.db.names.svc.cluster.local.", third);
        await place.kubectl("scale", "statefulset/db", "--replicas=2", ...IN);
        await untilAnswered(place, "db-2.db.names.svc.cluster.local.");
      },
    },
  ],
};

/** ExternalDNS: names of what a cluster has, in a DNS server's store. */
export const externalDns: Program = {
  name: "ExternalDNS",
  version: VERSION,
  needs: ["external-dns", "coredns", "etcd", "helm"],
  uses: [
    {
      use: "apply its definition; install its chart, for CoreDNS with etcd",
      async run(place) {
        await installCoredns(place);
        const chart = join(await releasedSources(MODULE), "charts/external-dns");
        const image = `registry.k8s.io/external-dns/external-dns:${VERSION}`;
        await buildImage(place, image, "external-dns", "/bin/external-dns");
        const values = {
          image: { tag: VERSION },
          provider: { name: "coredns" },
          env: [{ name: "ETCD_URLS", value: "http://coredns.names:2379" }],
          sources: ["service", "crd"],
          policy: "sync",
          txtOwnerId: "compat",
          txtPrefix: "owner-",
          domainFilters: ["example.org"],
          interval: "5s",
        };
        const set = Object.entries(values).map(
          ([name, value]) => `--set-json=${name}=${JSON.stringify(value)}`,
        );
        await place.run("helm", "install", "external-dns", chart, ...IN, ...set, "--wait");
      },
    },
    {
      use: "name a Service's address outside, and a headless one's pods",
      async run(place) {
        const annotate = (service: string) =>
          place.kubectl(
            "annotate",
            `service/${service}`,
            ...IN,
            `external-dns.alpha.kubernetes.io/hostname=${service}.example.org`,
          );
        const balanced = ["create", "service", "loadbalancer", "web", "--tcp=80", ...IN];
        await place.kubectl(...balanced);
        const address = "{.status.loadBalancer.ingress[0].ip}";
        await place.kubectl("wait", `--for=jsonpath=${address}`, "service/web", ...IN, TIMEOUT);
        await annotate("web");
        await annotate("db");
        const web = await valueOf(place, "service/web", ".status.loadBalancer.ingress[0].ip");
        await untilAnswered(place, "web.example.org.", `Address: ${web}`);
        const first = await valueOf(place, "pod/db-0", ".status.podIP");
        await untilAnswered(place, "db.example.org.", first);
      },
    },
    {
      use: "keep a record that is an object, say so in its status, and follow its change",
      async run(place) {
        const apply = (target: string) => {
          const record = { dnsName: "own.example.org", recordType: "A", targets: [target] };
          const kind = { apiVersion: "externaldns.k8s.io/v1alpha1", kind: "DNSEndpoint" };
          const metadata = { name: "own", namespace: "names" };
          const input = JSON.stringify({ ...kind, metadata, spec: { endpoints: [record] } });
          return place.kubectl("apply", "--server-side", "-f", "-", { input });
        };
        await apply("192.0.2.1");
        await untilAnswered(place, "own.example.org.", "192.0.2.1");
        await apply("192.0.2.2");
        await untilAnswered(place, "own.example.org.", "192.0.2.2");
        const observed = "--for=jsonpath={.status.observedGeneration}=2";
        await place.kubectl("wait", observed, "dnsendpoint/own", ...IN, TIMEOUT);
      },
    },
    {
      use: "remove the names of what is gone, and with its chart itself",
      async run(place) {
        await place.kubectl("delete", "service/web", "dnsendpoint/own", ...IN, TIMEOUT);
        await untilAnswered(place, "web.example.org.");
        await untilAnswered(place, "own.example.org.");
        mustHave(await place.run("helm", "uninstall", "external-dns", ...IN), "uninstalled");
        await place.kubectl("delete", "namespace", "names", TIMEOUT);
      },
    },
  ],
};
