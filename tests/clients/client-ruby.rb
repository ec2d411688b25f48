# SPDX-License-Identifier: LGPL-2.1-or-later
# ruby-libvirt: pools, volumes and errors.
require 'json'
require 'libvirt'

$stdout.sync = true
FOLDER = ENV['TEST_FOLDER']

def report(step, answer)
  puts JSON.generate('step' => step, 'answer' => answer)
end

# One step: the value of the block, or what its error says.
def attempt(step)
  value = yield
  report(step, value.respond_to?(:name) ? value.name : value)
  value
rescue Libvirt::Error => e
  report(step, 'code' => e.libvirt_code, 'component' => e.libvirt_component,
               'message' => e.libvirt_message)
  nil
end

def pool_xml(name)
  "<pool type='dir'><name>#{name}</name><target><path>#{FOLDER}/#{name}</path></target></pool>"
end

def volume_xml(name)
  "<volume><name>#{name}</name><capacity>1048576</capacity></volume>"
end

conn = Libvirt.open(ENV['TEST_URI'])
attempt('type') { conn.type }
attempt('secure') { conn.secure? }
attempt('counts') { [conn.num_of_storage_pools, conn.num_of_defined_storage_pools] }
pool = attempt('define') { conn.define_storage_pool_xml(pool_xml('p')) }
attempt('define nonsense') { conn.define_storage_pool_xml('nonsense') }
attempt('start') { pool.create }
attempt('build') { pool.build }
attempt('start after build') { pool.create }
attempt('create') { conn.create_storage_pool_xml(pool_xml('q')) }
attempt('names') { [conn.list_storage_pools.sort, conn.list_defined_storage_pools.sort] }
attempt('handles') { conn.list_all_storage_pools.map(&:name).sort }
attempt('by name') { conn.lookup_storage_pool_by_name('p') }
attempt('by uuid') { conn.lookup_storage_pool_by_uuid(pool.uuid) }
attempt('by unknown name') { conn.lookup_storage_pool_by_name('nothing') }
attempt('states') { [pool.active?, pool.persistent?, pool.autostart?] }
attempt('autostart on') { pool.autostart = true }
attempt('autostart') { pool.autostart? }
attempt('info') { i = pool.info; [i.state, i.capacity, i.allocation, i.available] }
attempt('document') { pool.xml_desc }
attempt('refresh') { pool.refresh }
volume = attempt('make') { pool.create_volume_xml(volume_xml('v')) }
attempt('make again') { pool.create_volume_xml(volume_xml('v')) }
attempt('clone') { pool.create_volume_xml_from(volume_xml('c'), volume) }
attempt('volumes') { [pool.num_of_volumes, pool.list_volumes.sort] }
attempt('all volumes') { pool.list_all_volumes.length }
attempt('volume by name') { pool.lookup_volume_by_name('v') }
attempt('volume by unknown name') { pool.lookup_volume_by_name('nothing') }
attempt('volume by path') { pool.lookup_volume_by_path("#{FOLDER}/p/v") }
attempt('volume by key') { pool.lookup_volume_by_key("#{FOLDER}/p/v") }
attempt('pool of a volume') { volume.pool }
attempt('key and path') { [volume.key, volume.path] }
attempt('volume info') { i = volume.info; [i.type, i.capacity, i.allocation] }
attempt('volume document') { volume.xml_desc }
attempt('resize') { volume.resize(2_097_152) }
attempt('shrink') { volume.resize(1_048_576) }
attempt('wipe') { volume.wipe }
attempt('upload') do
  stream = conn.stream
  volume.upload(stream, 0, 4096)
  sent = stream.send('abcd' * 1024)
  stream.finish
  sent
end
attempt('delete volume') { volume.delete }
attempt('stale volume') { volume.info }
attempt('stop') { pool.destroy }
attempt('stop again') { pool.destroy }
attempt('undefine') { pool.undefine }
attempt('stale pool') { pool.info }
attempt('domains') { conn.list_all_domains }
conn.close
