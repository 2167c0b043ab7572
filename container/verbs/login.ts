import { text } from "node:stream/consumers";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { checkLogin } from "@raft2kube/runtime/image/registry.ts";
import { print } from "../format/list.ts";
import { removeAuth, saveAuth } from "../registry/auth-file.ts";
import { verb } from "../verb.ts";

export const login = verb(
  "login [registry]",
  "Keep credentials for a registry.",
  {
    "-u, --username <name>": "the user",
    "-p, --password <password>": "better: --password-stdin",
    "--password-stdin": "read the password from standard input",
  },
  async ({ clock, registries: endpoints }, [registry = "docker.io"], flags) => {
    const { username, passwordStdin } = flags;
    const password = passwordStdin
      ? (await text(process.stdin)).replace(/\r?\n$/, "")
      : flags.password;
    if (username === undefined || password === undefined || password === "") {
      throw new RuntimeError("invalid-argument", "login needs a user and a password", {
        remedy: "r2k container login -u USER --password-stdin REGISTRY < FILE",
      });
    }
    await checkLogin(registry, { auth: { username, password }, clock, endpoints });
    await saveAuth(registry, username, password);
    print(["Login Succeeded"]);
  },
);

export const logout = verb(
  "logout [registry]",
  "Forget a registry's credentials.",
  {},
  async (_, [registry = "docker.io"]) => {
    const removed = await removeAuth(registry);
    print([removed ? `Removed credentials for ${registry}` : `Not logged in to ${registry}`]);
  },
);
