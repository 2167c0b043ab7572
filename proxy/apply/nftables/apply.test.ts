import { closeSync, openSync } from "node:fs";
import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { applyRuleset } from "@raft2kube/linux/netfilter/nft.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNamespaces, type Namespaces } from "../../../testing/network/namespaces.ts";
import { withPrograms } from "../../../testing/programs.ts";
import { servicePort } from "../../../testing/service-port.ts";
import { nftablesRules } from "./apply.ts";

const TABLE = "r2k-apply";
const SERVICES = 400;
const ENDPOINTS = 20;
/** Characters of an error that a log has in one line. */
const MESSAGE_MAX = 20_000;

function service(i: number) {
  const address = (j: number) => `10.1.${((i * ENDPOINTS + j) >> 8) & 255}.${(i * 20 + j) & 255}`;
  return servicePort({
    key: `ns/s${i}:/TCP`,
    clusterIps: [`10.96.${i >> 8}.${i & 255}`],
    allEndpoints: Array.from({ length: ENDPOINTS }, (_, j) => ({ address: address(j), port: 80 })),
  });
}

describe.runIf(process.getuid?.() === 0)("the table of Services", () => {
  let namespaces: Namespaces;
  beforeAll(() => {
    namespaces = createNamespaces("r2k-nftapply-");
    enterNetns(namespaces.add("node"));
  });
  afterAll(() => namespaces.close());

  it("is made in a process that has a thousand descriptors open", async () => {
    const many = Array.from({ length: 1_024 }, () => openSync("/dev/null", "r"));
    const rules = nftablesRules({ table: TABLE, clusterCidr: "10.1.0.0/16" });
    try {
      await rules.rebuild([service(0)], []);
      await rules.change(new Map([[service(1).key, service(1)]]));
      expect(await rules.intact()).toBe(true);
    } finally {
      await rules.close();
      many.forEach((fd) => closeSync(fd));
    }
  });

  it("is compared where changes follow a transaction of others", async () => {
    const rules = nftablesRules({ table: TABLE, clusterCidr: "10.1.0.0/16" });
    await rules.rebuild([service(0)], []);
    await applyRuleset(`flush map ip ${TABLE} service-endpoints\n`);
    await rules.change(new Map([[service(1).key, service(1)]]));
    await rules.change(new Map([[service(2).key, service(2)]]));
    expect(await rules.intact()).toBe(false);
    await rules.rebuild([service(0)], []);
    expect(await rules.intact()).toBe(true);
    await rules.close();
  });

  it("is compared without a list of the clients of session affinity", async () => {
    const rules = nftablesRules({ table: TABLE, clusterCidr: "10.1.0.0/16" });
    const sticky = { ...service(1), affinity_s: 600 };
    await rules.rebuild([service(0), sticky], []);
    await applyRuleset(`add set ip ${TABLE} of-others { type ipv4_addr; }\n`);
    // The program nft lists a table with all elements, of which those of clients are a million.
    await withPrograms({ nft: "exit 1" }, async () => expect(await rules.intact()).toBe(true));
    for (const damage of ["flush map", "flush chain"]) {
      const name = damage === "flush map" ? "service-ips" : "services";
      await applyRuleset(`${damage} ip ${TABLE} ${name}\n`);
      expect(await rules.intact()).toBe(false);
      await rules.rebuild([service(0), sticky], []);
      expect(await rules.intact()).toBe(true);
    }
    await applyRuleset(`delete table ip ${TABLE}\n`);
    expect(await rules.intact()).toBe(false);
    await rules.close();
  });

  it("is rebuilt after a transaction of which thousands of statements were refused", async () => {
    const rules = nftablesRules({ table: TABLE, clusterCidr: "10.1.0.0/16" });
    const many = Array.from({ length: SERVICES }, (_, i) => service(i));
    await rules.rebuild(many, []);
    await applyRuleset(`flush map ip ${TABLE} service-endpoints\n`);
    const removed = rules.change(new Map(many.map(({ key }) => [key, undefined])));
    const error = await removed.then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    expect(error?.message.length).toBeLessThan(MESSAGE_MAX);
    await rules.rebuild(many.slice(0, 1), []);
    expect(await rules.intact()).toBe(true);
    await rules.close();
  });
});
