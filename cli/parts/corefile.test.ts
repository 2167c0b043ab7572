import { expect, test } from "vitest";
import { parseCorefile } from "./corefile.ts";

const KUBEADM = `
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}`;

test("the Corefile that kubeadm writes is read", () => {
  expect(parseCorefile(KUBEADM)).toEqual({
    port: 53,
    clusterDomain: "cluster.local",
    forward: ["/etc/resolv.conf"],
    ttl_s: 30,
    healthPort: 8080,
    lameduck_ms: 5_000,
    readyPort: 8181,
    metricsPort: 9153,
  });
});

test.each([
  ["a plugin", "loop", "rewrite name a b", "the plugin rewrite"],
  ["an option", "pods insecure", "namespaces a", "kubernetes: the option namespaces"],
  ["a mode of pods", "pods insecure", "pods verified", "kubernetes: pods verified"],
  ["a domain that is forwarded", "forward . ", "forward example.org ", "forward example.org"],
  ["a second block", "loadbalance\n}", "}\nother:53 {\n}", "more than one block"],
  ["a block of another zone", ".:53", "example.org:53", "the block"],
  ["a zone beside another", ".:53", ". example.org", "the block"],
  ["a port", ".:53", ".:99999", "the block's port 99999"],
  ["a TTL", "ttl 30", "ttl abc", "ttl abc"],
  ["a delay of the end", "lameduck 5s", "lameduck 2m", "lameduck 2m is no duration up to 60s"],
  ["an address of metrics", "prometheus :9153", "prometheus localhost:9153", "only :PORT"],
  ["a block without its end", "loadbalance\n}", "loadbalance", "a } is missing"],
])("%s that is not supported is refused by its name", (_, from, to, says) => {
  const text = KUBEADM.replace(from, to);
  expect(text).not.toBe(KUBEADM);
  expect(() => parseCorefile(text)).toThrow(says);
});
