import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { freePort } from "../../../testing/free-port.ts";
import { killed } from "../../../testing/killed.ts";
import { waitFor } from "../../../testing/wait.ts";
import { readyBundle, spawnBundled } from "../bundled.ts";

const UP_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 5_000;

interface SecureMember {
  readonly name: string;
  readonly endpoint: string;
  readonly flags: readonly string[];
  process: ChildProcess;
}

/**
 * Three members as processes of their own, as a manifest would start them: TLS and client
 * certificates between them and to their clients, all by flags and files.
 */
export class SecureMembers {
  readonly #folder = mkdtempSync(join(tmpdir(), "r2k-secure-"));
  readonly #ca: KeyPair;
  readonly all: SecureMember[] = [];

  private constructor(ca: KeyPair) {
    this.#ca = ca;
  }

  static async start(): Promise<SecureMembers> {
    const ca = await createCa({ commonName: "etcd-ca", days: 1, now_ms: Date.now() });
    const members = new SecureMembers(ca);
    await members.#begin(["m0", "m1", "m2"]);
    return members;
  }

  get endpoints(): string[] {
    return this.all.map(({ endpoint }) => endpoint);
  }

  /** Files of the CA, and of a certificate with this common name, for a client. */
  async filesFor(commonName: string): Promise<{ ca: string; cert: string; key: string }> {
    const names = { commonName, ipAddresses: ["127.0.0.1"], dnsNames: ["localhost"] };
    const usages = ["server", "client"] as const;
    const pair = await issueCertificate(this.#ca, { ...names, days: 1, usages }, Date.now());
    const put = (name: string, text: string) => {
      const path = join(this.#folder, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    return {
      ca: put("ca.crt", this.#ca.cert),
      cert: put(`${commonName}.crt`, pair.cert),
      key: put(`${commonName}.key`, pair.key),
    };
  }

  async client(): Promise<EtcdClient> {
    const names = { commonName: "client", days: 1, usages: ["client"] as const };
    const own = await issueCertificate(this.#ca, names, Date.now());
    return connectEtcd({ endpoints: this.endpoints, tls: { ...own, ca: this.#ca.cert } });
  }

  /** Kills a member; `resume` starts it again with the state on its disk. */
  kill(member: SecureMember): Promise<void> {
    return killed(member.process);
  }

  async resume(member: SecureMember): Promise<void> {
    member.process = this.#spawn(member.flags);
    await this.#answers();
  }

  /** The one that leads now, once one does; members that are away are passed over. */
  leader(client: EtcdClient): Promise<SecureMember> {
    const leads = async () => {
      const { leader } = await client.status({ timeout_ms: ANSWER_TIMEOUT_MS });
      for (const member of this.all) if ((await this.#idOf(member)) === leader) return member;
      return undefined;
    };
    return waitFor("a leader", leads, { timeout_ms: UP_TIMEOUT_MS });
  }

  /** A member's id; undefined when it does not answer. */
  async #idOf(member: SecureMember): Promise<bigint | undefined> {
    const own = await this.#clientOf(member);
    return await own
      .status({ timeout_ms: ANSWER_TIMEOUT_MS })
      .then(
        ({ header }) => header!.memberId,
        () => undefined,
      )
      .finally(() => own.close());
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.all
        .filter(({ process: { exitCode, signalCode } }) => exitCode === null && signalCode === null)
        .map((member) => this.kill(member)),
    );
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #begin(names: string[]): Promise<void> {
    await readyBundle();
    const ports = await Promise.all(names.flatMap(() => [freePort(), freePort()]));
    const url = (i: number) => `https://127.0.0.1:${ports[i]}`;
    const cluster = names.map((name, i) => `${name}=${url(2 * i + 1)}`).join(",");
    for (const [i, name] of names.entries()) {
      const { ca, cert, key } = await this.filesFor(name);
      const [endpoint, peer] = [url(2 * i), url(2 * i + 1)];
      const flags = [
        `--name=${name}`,
        `--data-dir=${join(this.#folder, `${name}.etcd`)}`,
        `--listen-client-urls=${endpoint}`,
        `--advertise-client-urls=${endpoint}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=${cluster}`,
        "--initial-cluster-state=new",
        `--cert-file=${cert}`,
        `--key-file=${key}`,
        `--trusted-ca-file=${ca}`,
        "--client-cert-auth=true",
        "--peer-client-cert-auth=true",
        `--peer-cert-file=${cert}`,
        `--peer-key-file=${key}`,
        `--peer-trusted-ca-file=${ca}`,
        "--watch-progress-notify-interval=5s",
        "--snapshot-count=10000",
        "--feature-gates=InitialCorruptCheck=true",
        "--log-level=error",
      ];
      this.all.push({ name, endpoint, flags, process: this.#spawn(flags) });
    }
    await this.#answers();
  }

  #spawn(flags: readonly string[]): ChildProcess {
    return spawnBundled(["store", ...flags], { stdio: "ignore" });
  }

  async #clientOf({ endpoint }: SecureMember): Promise<EtcdClient> {
    const names = { commonName: "client", days: 1, usages: ["client"] as const };
    const own = await issueCertificate(this.#ca, names, Date.now());
    return connectEtcd({ endpoints: [endpoint], tls: { ...own, ca: this.#ca.cert } });
  }

  async #answers(): Promise<void> {
    const clock = systemClock();
    for (const member of this.all) {
      const client = await this.#clientOf(member);
      const answer = () =>
        client.leaseLeases({ timeout_ms: 2_000 }).then(
          () => true,
          () => false,
        );
      await waitFor(`${member.name} to answer`, answer, { clock, timeout_ms: UP_TIMEOUT_MS });
      await client.close();
    }
  }
}
