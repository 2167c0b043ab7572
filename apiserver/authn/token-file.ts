import { createHash } from "node:crypto";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import { ConfigFileError } from "@raft2kube/apimachinery/config-file.ts";
import { given } from "@raft2kube/std/given.ts";
import type { TokenAuthority } from "./token-authority.ts";

/**
 * The authority of the tokens of `--token-auth-file`: lines of token, user name, uid and, in one
 * quoted column, groups (upstream's authentication/token/tokenfile). The file is read once, at the
 * start. Throws ConfigFileError for a line with fewer than three columns.
 */
export function tokenFileAuthority(text: string): TokenAuthority {
  const users = new Map<string, RequestUser>();
  text.split(/\r?\n/).forEach((line, i) => {
    if (line.trim() === "" || line.startsWith("#")) return;
    const [token = "", name, uid, groups = ""] = columnsOf(line);
    if (name === undefined || uid === undefined) {
      const why = "must have at least 3 columns (token, user name, user uid)";
      throw new ConfigFileError("token file", `line ${i + 1}`, why);
    }
    // A line without a token would be that of all requests without one.
    if (token === "") return;
    const words = groups.split(",").flatMap((each) => each.trim() || []);
    users.set(digestOf(token), given({ name, groups: words, uid: uid || undefined }));
  });
  return {
    verify(token) {
      // Found by its digest, so that the time it takes does not depend on a token of the file.
      const user = users.get(digestOf(token));
      return Promise.resolve(user && { user });
    },
  };
}

const digestOf = (token: string): string => createHash("sha256").update(token).digest("hex");

/** The columns of one line of CSV: a quoted one has commas, and quotes doubled. */
function columnsOf(line: string): string[] {
  const found = line.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/g);
  const columns = [...found].map(([, quoted, plain = ""]) =>
    quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'),
  );
  return line.endsWith(",") ? columns : columns.slice(0, -1);
}
