// In a process of its own: for runner.test.ts.
import { recordPid } from "./record-pid.ts";

recordPid("own");
