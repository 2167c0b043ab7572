import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestMember, TestMembers, urlOf } from "../testing/store/members.ts";
import { waitFor } from "../testing/wait.ts";

let members: TestMembers;
beforeEach(() => {
  members = new TestMembers();
});
afterEach(() => members.stopAll());

const now_ms = Date.now();
const secure = (member: TestMember) => urlOf(member).replace("http:", "https:");

/** One member's certificates, read again for each connection, and the peers it has seen. */
class Certificates {
  readonly ca: string;
  own: KeyPair;
  readonly callers = new Set<string>();

  constructor(ca: KeyPair, own: KeyPair) {
    this.ca = ca.cert;
    this.own = own;
  }

  get cert(): string {
    return this.own.cert;
  }

  get key(): string {
    return this.own.key;
  }

  get clientCa(): string {
    return this.ca;
  }

  refuses = ({ subject }: { subject: { CN?: unknown } }): undefined => {
    this.callers.add(String(subject.CN));
  };
}

test("members show new certificates to those whom they call, without a restart", async () => {
  const ca = await createCa({ commonName: "peers", days: 1, now_ms });
  const issue = (commonName: string) => {
    const request = { commonName, ipAddresses: ["127.0.0.1"], days: 1 };
    return issueCertificate(ca, { ...request, usages: ["server", "client"] }, now_ms);
  };
  const all = await members.add("a", "b", "c");
  const held = new Map<TestMember, Certificates>();
  for (const member of all) {
    held.set(member, new Certificates(ca, await issue(`${member.name}-first`)));
  }
  const initialCluster = Object.fromEntries(all.map((each) => [each.name, [secure(each)]]));
  await Promise.all(
    all.map((member) => {
      const tls = held.get(member)!;
      const listen = { host: "127.0.0.1", port: member.port, tls };
      const peers = { listen, advertiseUrls: [secure(member)], initialCluster, tls };
      return members.start(member, all, { peers });
    }),
  );
  for (const member of all) held.get(member)!.own = await issue(`${member.name}-second`);
  for (const { proxy } of all) proxy.cut();
  for (const { proxy } of all) proxy.mend();
  const renewed = (member: TestMember) => {
    const others = all.filter((other) => other !== member).map(({ name }) => `${name}-second`);
    return others.every((name) => held.get(member)!.callers.has(name));
  };
  await waitFor("new certificates everywhere", () => all.every(renewed));
  const [a, b] = all as [TestMember, TestMember, TestMember];
  const key = Buffer.from("k");
  await a.store!.client.put({ key, value: Buffer.from("after") });
  expect((await b.store!.client.range({ key })).kvs[0]!.value.toString()).toBe("after");
});
