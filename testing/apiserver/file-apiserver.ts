import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll } from "vitest";
import { type Answer, type AskOptions, ask } from "./ask.ts";
import { startApiserverOnEtcd } from "./own-apiserver.ts";
import type { TestApiserver } from "./test-apiserver.ts";

/** The apiserver of a test file, started at its first test. */
export interface FileApiserver {
  readonly api: TestApiserver;
  /** Credentials of an administrator. */
  readonly admin: KeyPair;
  /** Asks as the administrator, unless the options say otherwise. */
  ask(path: string, options?: AskOptions): Promise<Answer>;
}

/** An apiserver on an etcd of its own, for all tests of the file that calls this. */
export function fileApiserver(more: Partial<ApiserverOptions> = {}): FileApiserver {
  let api: TestApiserver;
  let admin: KeyPair;
  beforeAll(async () => {
    api = await startApiserverOnEtcd(more);
    admin = await api.credentials("admin", ["system:masters"]);
  });
  afterAll(() => api.close());
  return {
    get api() {
      return api;
    },
    get admin() {
      return admin;
    },
    ask: (path, options = {}) => ask(api, path, { ...admin, ...options }),
  };
}
