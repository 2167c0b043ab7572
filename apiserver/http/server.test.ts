import { once } from "node:events";
import { type ClientHttp2Stream, connect } from "node:http2";
import { buffer } from "node:stream/consumers";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { expect, it } from "vitest";
import { ApiHttpServer } from "./server.ts";

const BODY = Buffer.alloc(4 << 20, "x");

async function serveBodies(): Promise<{ server: ApiHttpServer; ca: string; url: string }> {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "test", days: 1, now_ms });
  const wanted = { commonName: "api", usages: ["server" as const], ipAddresses: ["127.0.0.1"] };
  const server = await ApiHttpServer.listen({
    listen: [{ host: "127.0.0.1", port: 0 }],
    tls: await issueCertificate(ca, { ...wanted, days: 1 }, now_ms),
    clientCa: ca.cert,
    listener: {
      handle: (_, response) => response.end(BODY),
      upgrade: (_request, _response, socket) => socket.destroy(),
    },
  });
  return { server, ca: ca.cert, url: `https://127.0.0.1:${server.addresses[0]?.port}` };
}

it("takes requests of a client that has large answers still to read", async () => {
  const { server, ca, url } = await serveBodies();
  const session = connect(url, { ca });
  try {
    const answers: ClientHttp2Stream[] = [];
    for (let i = 0; i < 12; i++) {
      const stream = session.request({ ":path": `/${i}` });
      answers.push(stream);
      await once(stream, "response");
    }
    for (const stream of answers) expect((await buffer(stream)).length).toBe(BODY.length);
  } finally {
    session.destroy();
    await server.close();
  }
});
