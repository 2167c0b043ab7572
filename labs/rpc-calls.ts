import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { judge } from "./judge.ts";
import { isUnwritten, mustFail } from "./must.ts";

/** Runs a check's body: a call that is refused without having been judged fails the check. */
export async function judgeCalls(body: () => Promise<void>, why: string): Promise<void> {
  try {
    await body();
  } catch (thrown) {
    if (!(thrown instanceof RpcError) || isUnwritten(thrown)) throw thrown;
    judge(false, {
      when: "a call that this check begins with",
      expected: "success",
      happened: `${thrown.code}: ${thrown.message}`,
      why,
    });
  }
}

const NAMES = Object.keys(Status);

/** Waits for a call that must be refused with this status; returns the message. */
export async function mustRefuse(
  call: Promise<unknown>,
  status: number,
  { when, why }: { readonly when: string; readonly why: string },
): Promise<string> {
  const expected = NAMES[status]!;
  const error = await mustFail(call, RpcError, { when, expected, why });
  const happened = `${error.code}: ${error.message}`;
  judge(error.status === status, { when, expected, happened, why });
  return error.message;
}
