import { parentPort } from "node:worker_threads";
import { assert } from "@raft2kube/std/assert.ts";
import { compareSync, genSaltSync, hashSync } from "bcryptjs";
import type { PasswordAnswer, PasswordQuestion } from "./passwords.ts";

assert(parentPort, "passwords are hashed in a thread");
const asker = parentPort;

asker.on("message", (question: PasswordQuestion) => asker.postMessage(answerTo(question)));

function answerTo(question: PasswordQuestion): PasswordAnswer {
  const { password, cost } = question;
  if (!("hash" in question)) return hashSync(password, saltOf(cost));
  if (question.hash.length === BCRYPT_HASH_LENGTH) return compareSync(password, question.hash);
  // A user that does not exist, or whose password was changed to none: no password is that, which
  // takes as long to say.
  hashSync(password, saltOf(cost));
  return false;
}

const BCRYPT_HASH_LENGTH = 60;

/** The library's mark for the same algorithm is a later one than etcd's. */
const saltOf = (cost: number): string => genSaltSync(cost).replace(/^\$2b\$/, "$2a$");
