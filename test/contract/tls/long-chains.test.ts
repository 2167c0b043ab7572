import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type ConnectionOptions, connect, createServer } from "node:tls";
import { clientCertificateUser } from "@raft2kube/apiserver/authn/client-certificate.ts";
import { ApiHttpServer } from "@raft2kube/apiserver/http/server.ts";
import {
  boundCertificateChains,
  INTERMEDIATES_MAX,
  LATER_MESSAGES_MAX,
  type RefusedPeer,
} from "@raft2kube/linux/process/certificate-chains.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";

const dir = suiteFolder("r2k-chains-");
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
const refusals: RefusedPeer[] = [];

beforeAll(async () => {
  writeFileSync(pathOf(0, "ext"), CA);
  for (let at = 0; at <= INTERMEDIATES_MAX + 2; at++) issue(at);
  boundCertificateChains((refused) => refusals.push(refused));
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

afterAll(() => server.close());

/** Returns the user that the server takes a client for, or the code of the error. */
async function userOf(shown: ConnectionOptions): Promise<unknown> {
  const { port } = server.addresses[0]!;
  const client = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...shown });
  let failed: string | undefined;
  client.on("error", ({ code }: NodeJS.ErrnoException) => (failed = code));
  client.end("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").resume();
  await new Promise((resolve) => client.once("close", resolve));
  return failed ?? users.at(-1);
}

function userAt(last: number): Promise<unknown> {
  const chain = Array.from({ length: last }, (_, at) => textOf(last - at, "crt"));
  return userOf({ key: textOf(last, "key"), cert: chain.join("") });
}

/** Makes a certificate that signs itself, for a key of the options given. */
function selfSigned(...options: string[]): { key: string; cert: string } {
  const [key, cert] = [join(dir, "own.key"), join(dir, "own.crt")];
  const made = ["-nodes", "-subj", "/CN=own", "-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", "-newkey", ...options, ...made], { stdio: "ignore" });
  return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
}

/** Keys with which parsing or verifying takes long, as options of openssl-req(1). */
const COSTLY = {
  "a curve of its own": [
    ...["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ...["-pkeyopt", "ec_param_enc:explicit"],
  ],
  "a large public exponent": ["rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:36893488147419103233"],
  "another algorithm": ["ed448"],
};

test("a chain of a client's certificates has a bound", async () => {
  expect(await userAt(INTERMEDIATES_MAX + 1)).toBe(`c${INTERMEDIATES_MAX + 1}`);
  expect(await userAt(INTERMEDIATES_MAX + 2)).toBe("unverified");
});

test.for(Object.entries(COSTLY))("a client's certificate with %s is refused", async ([, key]) => {
  const own = selfSigned(...key);
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    expect(await userOf({ ...own, maxVersion })).toMatch(/^EPROTO$|_DECODE_ERROR$/);
  }
});

test("a client's usual certificate is not refused, whichever the version", async () => {
  for (const kind of [["rsa:2048"], ["ed25519"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]]) {
    const own = selfSigned(...kind);
    expect(await userOf({ ...own, maxVersion: "TLSv1.2" })).toBe("unverified");
    expect(await userOf(own)).toBe("unverified");
  }
});

test("a server's certificate with a curve of its own is refused, and keys by DHE", async () => {
  const usual = selfSigned("rsa:2048");
  const hostile = [selfSigned(...COSTLY["a curve of its own"]), { ...usual, dhparam: "auto" }];
  const ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256";
  for (const own of hostile) {
    const other = createServer({ ...own, ciphers, maxVersion: "TLSv1.2" });
    other.on("tlsClientError", () => undefined).listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as AddressInfo;
    const to = { host: "127.0.0.1", servername: "registry.test", port };
    const client = connect({ ...to, rejectUnauthorized: false });
    await expect(once(client, "secureConnect")).rejects.toThrow();
    other.close();
  }
});

test("each refusal is reported, with the side, the reason and a server's name", () => {
  const reason = "a certificate: its curve is none of P-256, P-384 and P-521";
  expect(refusals.filter(({ peer }) => peer === "client")).toHaveLength(6);
  expect(refusals[0]).toEqual({ peer: "client", reason });
  expect(refusals.at(-1)).toEqual({ peer: "server", reason, name: "registry.test" });
});

test("a client's first message has a bound", async () => {
  const names = (count: number) => ["http/1.1", ...Array(count).fill("x".repeat(250))];
  const own = selfSigned("ed25519");
  expect(await userOf({ ...own, ALPNProtocols: names(24) })).toBe("unverified");
  expect(await userOf({ ...own, ALPNProtocols: names(33) })).toMatch(/^EPROTO$|_DECODE_ERROR$/);
  expect(refusals.at(-1)!.reason).toContain("8192 bytes");
});

/** Starts openssl(1), and returns it with what has it replace its keys, a bounded number of times. */
function opensslWith(...args: string[]) {
  const program = spawn("openssl", args);
  program.stdin.on("error", () => undefined);
  let sent = 0;
  const replaceKeys = () => {
    if (sent++ <= 2 * LATER_MESSAGES_MAX) program.stdin.write("k\n");
    else program.kill();
  };
  return { program, replaceKeys };
}

const WITHOUT_END = "messages of its handshake without end";

test("a client that replaces its keys again and again is refused", async () => {
  const { port } = server.addresses[0]!;
  const { program, replaceKeys } = opensslWith("s_client", "-connect", `127.0.0.1:${port}`);
  program.stdout.resume();
  program.stderr.on("data", (text) => String(text).includes("KEYUPDATE") && replaceKeys());
  replaceKeys();
  await once(program, "exit");
  expect(refusals.at(-1)).toEqual({ peer: "client", reason: WITHOUT_END });
});

test("a server that replaces its keys again and again is refused", async () => {
  selfSigned("rsa:2048");
  const shown = ["-key", join(dir, "own.key"), "-cert", join(dir, "own.crt")];
  const { program, replaceKeys } = opensslWith("s_server", "-accept", "127.0.0.1:0", ...shown);
  let text = "";
  program.stdout.on("data", (more) => (text += more));
  while (!/ACCEPT .*\n/.test(text)) await once(program.stdout, "data");
  const port = Number(/ACCEPT .*:(\d+)/.exec(text)![1]);
  const client = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, replaceKeys);
  client.on("keylog", (line) => String(line).includes("TRAFFIC_SECRET_N") && replaceKeys());
  // A second one follows where the server has sent more by then.
  const errors: Error[] = [];
  client.on("error", (error) => void errors.push(error));
  await new Promise((resolve) => client.resume().once("close", resolve));
  expect(errors[0]?.message).toContain("bad key update");
  program.kill();
  expect(refusals.at(-1)).toEqual({ peer: "server", reason: WITHOUT_END });
});
