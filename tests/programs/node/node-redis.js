// node-redis, in RESP3: typed replies, transactions, pub/sub, iterators.
const { createClient } = require("redis");
const assert = require("node:assert");

async function main() {
  const client = createClient({ url: process.argv[2], RESP: 3 });
  client.on("error", (error) => { console.error(error); process.exit(1); });
  await client.connect();
  assert.equal(await client.set("a", "1", { expiration: { type: "EX", value: 100 } }), "OK");
  assert.deepEqual(await client.multi().incr("a").get("a").exec(), [2, "2"]);
  await client.hSet("h", { f: "v", g: "w" });
  assert.deepEqual({ ...(await client.hGetAll("h")) }, { f: "v", g: "w" });
  await client.zAdd("z", [{ score: 1.5, value: "one" }]);
  assert.equal(await client.zScore("z", "one"), 1.5);
  assert.equal(await client.eval("return redis.call('GET', KEYS[1])", { keys: ["a"] }), "2");
  const listener = client.duplicate();
  await listener.connect();
  const heard = new Promise((resolve) => listener.subscribe("news", (text) => resolve(text)).then(() =>
    client.publish("news", "hello")));
  assert.equal(await heard, "hello");
  await listener.close();
  await client.close();
  console.log(JSON.stringify({ ok: true }));
}
main().catch((error) => { console.error(error); process.exit(1); });
