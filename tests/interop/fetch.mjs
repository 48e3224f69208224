// Fetches every message with node-pop3 into the files 1, 2, ... as the library streams them, and deletes it.
import {createWriteStream, readFileSync} from 'node:fs';
import {pipeline} from 'node:stream/promises';
import Pop3Command from 'node-pop3';

const [port, user, password, ca] = process.argv.slice(2);
const pop3 = new Pop3Command({
  user, password, host: 'localhost', port: Number(port), tls: true, servername: 'localhost',
  tlsOptions: {ca: readFileSync(ca)}, timeout: 60_000,
});
for (const [number] of await pop3.LIST()) {
  const [, stream] = await pop3.command('RETR', number);
  await pipeline(stream, createWriteStream(number));
  await pop3.DELE(number);
}
await pop3.QUIT();
