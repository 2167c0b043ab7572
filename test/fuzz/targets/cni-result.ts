import { CniError } from "@raft2kube/cni/lib/errors.ts";
import { parseOutput } from "@raft2kube/cni/lib/exec.ts";
import { parseResult, resultForVersion } from "@raft2kube/cni/lib/result.ts";
import type { CniResult } from "@raft2kube/cni/lib/types.ts";
import { CNI_VERSIONS } from "@raft2kube/cni/lib/version.ts";
import { planElements, portmapRules } from "@raft2kube/cni/plugins/portmap/plan.ts";
import { pick } from "@raft2kube/std/random.ts";
import { mutateJson } from "../mutate-json.ts";
import type { Target } from "../target.ts";

const RESULTS = [
  { cniVersion: "0.3.1", ips: [{ version: "4", address: "10.1.0.5/16", gateway: "10.1.0.1" }] },
  {
    cniVersion: "1.1.0",
    interfaces: [
      { name: "cni0", mac: "02:00:00:00:00:01" },
      { name: "eth0", mac: "02:00:00:00:00:02", mtu: 1450, sandbox: "/run/netns/a" },
    ],
    ips: [
      { interface: 1, address: "10.1.0.5/16", gateway: "10.1.0.1" },
      { interface: 1, address: "fd00::5/64" },
    ],
    routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.1", mtu: 1400, priority: 5 }, { dst: "::/0" }],
    dns: { nameservers: ["10.96.0.10"], search: ["svc"], options: ["ndots:5"], domain: "a" },
  },
];
const MAPPING = { hostPort: 80, containerPort: 8080, protocol: "tcp" as const };

/** The output of a plugin after ADD. */
export const cniResult: Target = {
  name: "cni-result",
  corpus: async () => RESULTS.map((result) => Buffer.from(JSON.stringify(result))),
  // Most bytes changed at random are no JSON: what is read behind that gets odd values instead.
  seal: (_bytes, random) => Buffer.from(JSON.stringify(mutateJson(pick(random, RESULTS), random))),
  async read(bytes) {
    try {
      const result = parseResult(parseOutput("fuzzed", bytes.toString(), "ADD", ""), "fuzzed");
      for (const version of CNI_VERSIONS) {
        const wire = resultForVersion(result, version);
        // The result that is passed on to the next plugin can be parsed again.
        parseResult(JSON.parse(JSON.stringify(wire)), "passed on");
      }
      checkTexts(result);
      const config = { mappings: [MAPPING], snat: true, masqAll: false } as never;
      const rules = portmapRules(planElements(config, result, "comment"));
      const own = rules.split("\n").filter((line) => line.startsWith("add element"));
      if (own.some((line) => !/^add element inet [\w-]+ \w+ \{ [^{};]* \}$/.test(line))) {
        throw new Error(`a result became a statement of nft: ${own.join(" ")}`);
      }
      return "taken";
    } catch (thrown) {
      if (thrown instanceof CniError) return "refused";
      throw thrown;
    }
  },
};

/** Every field is of its type: what reads a result asks for no more. */
function checkTexts({ interfaces = [], ips = [], routes = [], dns = {} }: CniResult): void {
  const texts = [
    ...interfaces.flatMap(({ name, mac, sandbox }) => [name, mac, sandbox]),
    ...ips.flatMap(({ address, gateway }) => [address, gateway]),
    ...routes.flatMap(({ dst, gw }) => [dst, gw]),
    dns.domain,
    ...(dns.nameservers ?? []),
    ...(dns.search ?? []),
    ...(dns.options ?? []),
  ];
  const numbers = [
    ...interfaces.map(({ mtu }) => mtu),
    ...routes.flatMap(({ mtu, advmss, priority, table, scope }) => [
      mtu,
      advmss,
      priority,
      table,
      scope,
    ]),
  ];
  const are = (values: unknown[], type: string) =>
    values.every((value) => value === undefined || typeof value === type);
  if (!are(texts, "string") || !are(numbers, "number")) {
    throw new Error("a field is not of its type");
  }
}
