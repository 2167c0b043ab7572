import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { clientCertificateUser } from "@raft2kube/apiserver/authn/client-certificate.ts";
import { ApiHttpServer } from "@raft2kube/apiserver/http/server.ts";
import {
  boundCertificateChains,
  INTERMEDIATES_MAX,
} from "@raft2kube/linux/process/certificate-chains.ts";
import { afterAll, beforeAll, expect, test } from "vitest";

const dir = mkdtempSync(join(tmpdir(), "r2k-chains-"));
const CA = "basicConstraints=critical,CA:TRUE\n";
const pathOf = (at: number, what: string) => join(dir, `${at}.${what}`);
const textOf = (at: number, what: string) => readFileSync(pathOf(at, what), "utf8");

/** Makes certificate `at` of a chain whose root is 0, signed by the one before it. */
function issue(at: number): void {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "ignore" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const own = ["-keyout", pathOf(at, "key"), "-subj", `/CN=c${at}`];
  if (at === 0) return void openssl("req", "-x509", ...key, ...own, "-out", pathOf(0, "crt"));
  openssl("req", "-new", ...key, ...own, "-out", pathOf(at, "csr"));
  const signer = ["-CA", pathOf(at - 1, "crt"), "-CAkey", pathOf(at - 1, "key")];
  const made = ["-in", pathOf(at, "csr"), "-out", pathOf(at, "crt"), "-extfile", pathOf(0, "ext")];
  openssl("x509", "-req", ...made, ...signer, "-CAcreateserial");
}

let server: ApiHttpServer;
const users: unknown[] = [];

beforeAll(async () => {
  writeFileSync(pathOf(0, "ext"), CA);
  for (let at = 0; at <= INTERMEDIATES_MAX + 2; at++) issue(at);
  boundCertificateChains();
  server = await ApiHttpServer.listen({
    listen: [{ host: "127.0.0.1", port: 0 }],
    tls: { cert: textOf(0, "crt"), key: textOf(0, "key") },
    clientCa: textOf(0, "crt"),
    listener: {
      handle(request, response) {
        const found = clientCertificateUser(request);
        users.push(typeof found === "object" ? found.user.name : found);
        response.end();
      },
      upgrade: () => undefined,
    },
  });
});

afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true });
});

/** Returns the user that the server takes a client for whose certificate is so far from the root. */
async function userAt(last: number): Promise<unknown> {
  const chain = Array.from({ length: last }, (_, at) => textOf(last - at, "crt"));
  const { port } = server.addresses[0]!;
  const client = connect({
    host: "127.0.0.1",
    port,
    key: textOf(last, "key"),
    cert: chain.join(""),
    rejectUnauthorized: false,
  });
  client.end("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").resume();
  await once(client, "close");
  return users.at(-1);
}

test("a chain of a client's certificates has a bound", async () => {
  expect(await userAt(INTERMEDIATES_MAX + 1)).toBe(`c${INTERMEDIATES_MAX + 1}`);
  expect(await userAt(INTERMEDIATES_MAX + 2)).toBe("unverified");
});
