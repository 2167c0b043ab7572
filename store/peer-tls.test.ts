import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { Peer as PeerService } from "@raft2kube/proto/gen/peer.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestMember, TestMembers, urlOf } from "../testing/store/members.ts";

let members: TestMembers;
beforeEach(() => {
  members = new TestMembers();
});
afterEach(() => members.stopAll());

const days = 1;
const secure = (member: TestMember) => urlOf(member).replace("http:", "https:");

test("members use TLS with each other, and refuse peers without a certificate", async () => {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "peers", days, now_ms });
  const all = await members.add("a", "b", "c");
  const initialCluster = Object.fromEntries(all.map((each) => [each.name, [secure(each)]]));
  const start = async (member: TestMember) => {
    const own = await issueCertificate(
      ca,
      {
        ...{ commonName: member.name, ipAddresses: ["127.0.0.1"], days },
        usages: ["server", "client"],
      },
      now_ms,
    );
    const tls = { ...own, clientCa: ca.cert };
    const peers = {
      listen: { host: "127.0.0.1", port: member.port, tls },
      advertiseUrls: [secure(member)],
      initialCluster,
      tls: { ...own, ca: ca.cert },
    };
    return members.start(member, all, { peers });
  };
  const [a, b] = await Promise.all(all.map(start));
  const key = Buffer.from("k");
  await a!.client.put({ key, value: Buffer.from("secret") });
  expect((await b!.client.range({ key })).kvs[0]!.value.toString()).toBe("secret");
  const stranger = connectGrpc(secure(all[0]!), { tls: { ca: ca.cert } });
  const asked = client(stranger, PeerService).members({}, { timeout_ms: 5_000 });
  await expect(asked).rejects.toThrow();
  stranger.close();
});
