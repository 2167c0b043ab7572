import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import type { CertificateSigningRequest } from "@raft2kube/api/gen/certificates/v1.ts";
import { createCa, signRequest } from "@raft2kube/pki/certificate.ts";
import { kubeadmKubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { ManualClock, systemClock, type Timer } from "@raft2kube/std/clock.ts";
import { aborted } from "@raft2kube/std/wait.ts";
import { expect, onTestFinished, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { listening } from "../../testing/listening.ts";
import { hasClient, isOfNode, obtainClient, startRenewal } from "./kubelet-client.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const SERVER = "https://127.0.0.1:6443";

/** Writes a kubeconfig that names a certificate of the user, in a file beside it. */
async function written(commonName: string, days = 10) {
  const dir = testFolder("r2k-client-");
  const { cert, key } = await createCa({ commonName, days, now_ms: NOW_MS });
  const pem = join(dir, "client.pem");
  writeFileSync(pem, `${cert}${key}`);
  const kubeconfig = join(dir, "kubelet.conf");
  const access = { server: SERVER, ca: cert, certFile: pem, keyFile: pem };
  writeFileSync(kubeconfig, kubeadmKubeconfig("kubernetes", commonName, access));
  return { pem, kubeconfig, bootstrap: join(dir, "none") };
}

test("a kubeconfig whose certificate was deleted counts as missing", async () => {
  const files = await written("system:node:a");
  expect(await hasClient(NOW_MS, files.kubeconfig)).toBe(true);
  expect(await hasClient(NOW_MS + 11 * 24 * HOUR_MS, files.kubeconfig)).toBe(false);
  rmSync(files.pem);
  expect(await hasClient(NOW_MS, files.kubeconfig)).toBe(false);
  expect(await isOfNode(files.kubeconfig, "a")).toBe(false);
});

test.each([
  ["system:node:a", true],
  ["system:node:ab", false],
  ["admin", false],
])("the certificate of %s is the kubelet's of the node a: %s", async (user, is) =>
  expect(await isOfNode((await written(user)).kubeconfig, "a")).toBe(is),
);

/** A clock that has the delays of its timers, by which a test moves it. */
class SteppedClock extends ManualClock {
  readonly delays: number[] = [];

  override after(delay_ms: number, fn: () => void): Timer {
    this.delays.push(delay_ms);
    return super.after(delay_ms, fn);
  }

  /** Fires the `nth` timer, once it is there. */
  async fire(nth: number): Promise<void> {
    await expect.poll(() => this.delays.length).toBe(nth + 1);
    this.advance(this.delays[nth]!);
  }
}

test.each([1, 3, 24])("a certificate of %i h is renewed in time", async (h) => {
  for (const drawn of [0, 1]) {
    const files = await written("system:node:a", h / 24);
    const clock = new SteppedClock(NOW_MS);
    let at_ms: number | undefined;
    const renewal = startRenewal(clock, files, async () => void (at_ms ??= clock.now()), drawn);
    for (let nth = 0; nth < 24 && at_ms === undefined; nth++) await clock.fire(nth);
    await expect.poll(() => at_ms).toBeDefined();
    await renewal.close();
    const share = (at_ms! - NOW_MS) / (h * HOUR_MS);
    // A certificate is valid from a moment before it was issued.
    expect(share).toBeGreaterThan(0.6);
    expect(share).toBeLessThanOrEqual(0.9);
  }
});

test("one that is due is renewed without a wait, and after a failure with back-off", async () => {
  const files = await written("system:node:a", 1 / 24);
  const clock = new SteppedClock(NOW_MS + 0.95 * HOUR_MS);
  let calls = 0;
  const renew = () => Promise.reject(new Error(`refused ${++calls}`));
  const renewal = startRenewal(clock, files, renew, 0);
  for (let nth = 0; nth < 7; nth++) await clock.fire(nth);
  await renewal.close();
  expect(clock.delays.slice(0, 7)).toEqual([2, 4, 8, 16, 32, 60, 60].map((s) => s * 1_000));
  expect(calls).toBeGreaterThanOrEqual(7);
});

test("a renewal that waits for its approval ends when the kubelet does", async () => {
  const files = await written("system:node:a", 1 / 24);
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const renew = (signal: AbortSignal) => {
    resolve();
    return aborted(signal);
  };
  const renewal = startRenewal(new ManualClock(NOW_MS + HOUR_MS), files, renew, 0);
  await asked;
  await renewal.close();
});

test("a certificate that has ended, without a token to get another, is named", async () => {
  const files = await written("system:node:a", 1 / 24);
  const clock = new ManualClock(NOW_MS + 2 * HOUR_MS);
  const node = { nodeName: "a", nodeAddress: "10.0.0.1" };
  await expect(obtainClient(node, clock, files)).rejects.toMatchObject({
    code: "NO_BOOTSTRAP",
    message: expect.stringContaining(files.bootstrap) as string,
  });
});

/** An API server that has requests for certificates, which the test approves. */
async function approver() {
  const dir = testFolder("r2k-client-");
  const requests = new Map<string, CertificateSigningRequest>();
  const server = createServer((request, response) => {
    const answer = (code: number, body: object) => {
      response.writeHead(code, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (request.method === "GET") {
      const found = requests.get(request.url!.split("/").at(-1)!);
      return found ? answer(200, found) : answer(404, { kind: "Status", reason: "NotFound" });
    }
    void json(request).then((body) => {
      const made = body as CertificateSigningRequest;
      const name = made.metadata.name!;
      if (requests.has(name)) {
        return answer(409, { kind: "Status", code: 409, reason: "AlreadyExists" });
      }
      requests.set(name, made);
      answer(201, made);
    });
  });
  const port = await listening(server);
  onTestFinished(() => void server.close());
  const ca = await createCa({ commonName: "ca", days: 10, now_ms: Date.now() });
  const approve = async (name: string) => {
    const request = requests.get(name)!;
    const csr = Buffer.from(request.spec.request, "base64").toString("utf8");
    const options = { usages: ["client"] as const, days: 1, now_ms: Date.now() };
    const certificate = Buffer.from(await signRequest(ca, csr, options)).toString("base64");
    requests.set(name, { ...request, status: { certificate } });
  };
  const files = {
    bootstrap: join(dir, "bootstrap.conf"),
    kubeconfig: join(dir, "kubelet.conf"),
    pem: join(dir, "pki/kubelet-client-current.pem"),
  };
  const access = {
    server: `http://127.0.0.1:${port}`,
    ca: ca.cert,
    token: "abcdef.0123456789abcdef",
  };
  writeFileSync(files.bootstrap, kubeadmKubeconfig("kubernetes", "tls-bootstrap", access));
  const asked = (nodeName: string, signal?: AbortSignal) =>
    obtainClient({ nodeName, nodeAddress: "10.0.0.1" }, systemClock(), files, signal);
  /** An attempt that ends before it was answered. */
  const interrupted = async (nodeName: string) => {
    const before = requests.size;
    const abort = new AbortController();
    const attempt = asked(nodeName, abort.signal).catch(() => undefined);
    await expect.poll(() => requests.size).toBeGreaterThan(before);
    abort.abort(new Error("ended"));
    await attempt;
    return [...requests.keys()].at(-1)!;
  };
  const key = join(dir, "pki/kubelet-client.key.tmp");
  return { requests, approve, asked, interrupted, files, key };
}

test("an attempt after another finds the request of the first, with its approval", async () => {
  const { requests, approve, asked, interrupted, files, key } = await approver();
  const name = await interrupted("a");
  expect(name).toMatch(/^node-csr-[\w-]{43}$/);
  expect(statSync(key).mode & 0o777).toBe(0o600);
  await approve(name);
  await asked("a");
  expect([...requests.keys()]).toEqual([name]);
  expect(existsSync(key)).toBe(false);
  expect(await hasClient(Date.now(), files.kubeconfig)).toBe(true);
  expect(await isOfNode(files.kubeconfig, "a")).toBe(true);
});

test("a key that was left by a node of another name, or is none, is not used", async () => {
  const { requests, interrupted, key } = await approver();
  await interrupted("a");
  const left = readFileSync(key, "utf8");
  await interrupted("b");
  const now = readFileSync(key, "utf8");
  expect(now).not.toContain(left.slice(left.indexOf("-----")));
  writeFileSync(key, "system:node:b\nnone");
  await interrupted("b");
  expect(requests.size).toBe(3);
});
