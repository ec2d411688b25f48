# SPDX-License-Identifier: LGPL-2.1-or-later
# Sys::Virt: pools, volumes, a stream and errors.
use strict;
use warnings;
use JSON::PP;
use Sys::Virt;

my $json = JSON::PP->new->canonical->allow_nonref;
my $folder = $ENV{TEST_FOLDER};
$| = 1;

sub report { print $json->encode({step => $_[0], answer => $_[1]}), "\n"; }

# One step: the value of the block, or what its error says.
sub attempt {
    my ($step, $block) = @_;
    my $value = eval { $block->() };
    my $error = $@;
    if (ref $error) {
        report($step, {code => $error->code, domain => $error->domain,
                       message => $error->message});
    } else {
        die $error if $error;
        report($step, ref $value && ref $value ne 'ARRAY' && ref $value ne 'HASH'
               ? $value->get_name : $value);
    }
    return $value;
}

sub pool_xml {
    return "<pool type='dir'><name>$_[0]</name><target><path>$folder/$_[0]</path></target></pool>";
}

sub volume_xml {
    return "<volume><name>$_[0]</name><capacity>1048576</capacity></volume>";
}

my $conn = Sys::Virt->new(uri => $ENV{TEST_URI});
attempt('type', sub { $conn->get_type });
attempt('version', sub { $conn->get_library_version });
attempt('secure', sub { $conn->is_secure ? 1 : 0 });
attempt('list of nothing', sub { [map { $_->get_name } $conn->list_all_storage_pools] });
my $pool = attempt('define', sub { $conn->define_storage_pool(pool_xml('p')) });
attempt('define nonsense', sub { $conn->define_storage_pool('nonsense') });
attempt('create', sub { $conn->create_storage_pool(pool_xml('q'),
        Sys::Virt::StoragePool::CREATE_WITH_BUILD) });
attempt('counts', sub { [$conn->num_of_storage_pools, $conn->num_of_defined_storage_pools] });
attempt('names', sub { [[$conn->list_storage_pool_names(10)],
                        [$conn->list_defined_storage_pool_names(10)]] });
attempt('handles', sub { [sort map { $_->get_name } $conn->list_all_storage_pools] });
attempt('by name', sub { $conn->get_storage_pool_by_name('p') });
attempt('by uuid', sub { $conn->get_storage_pool_by_uuid($pool->get_uuid) });
attempt('by uuid as text', sub { $conn->get_storage_pool_by_uuid($pool->get_uuid_string) });
attempt('by unknown name', sub { $conn->get_storage_pool_by_name('nothing') });
attempt('by target path', sub { $conn->get_storage_pool_by_target_path("$folder/q") });
attempt('start', sub { $pool->create; 1 });
attempt('build', sub { $pool->build; 1 });
attempt('start after build', sub { $pool->create; 1 });
attempt('refresh', sub { $pool->refresh; 1 });
attempt('autostart on', sub { $pool->set_autostart(1); 1 });
attempt('autostart', sub { $pool->get_autostart ? 1 : 0 });
attempt('states', sub { [$pool->is_active ? 1 : 0, $pool->is_persistent ? 1 : 0] });
attempt('info', sub { $pool->get_info });
attempt('document', sub { $pool->get_xml_description });
my $volume = attempt('make', sub { $pool->create_volume(volume_xml('v')) });
attempt('make again', sub { $pool->create_volume(volume_xml('v')) });
attempt('clone', sub { $pool->clone_volume(volume_xml('c'), $volume) });
attempt('volumes', sub { [$pool->num_of_storage_volumes, sort $pool->list_storage_vol_names(10)] });
attempt('all volumes', sub { [sort map { $_->get_name } $pool->list_all_volumes] });
attempt('volume by name', sub { $pool->get_volume_by_name('v') });
attempt('volume by unknown name', sub { $pool->get_volume_by_name('nothing') });
attempt('volume by path', sub { $conn->get_storage_volume_by_path("$folder/p/v") });
attempt('volume by key', sub { $conn->get_storage_volume_by_key("$folder/p/v") });
attempt('key and path', sub { [$volume->get_key, $volume->get_path] });
attempt('volume info', sub { $volume->get_info });
attempt('volume document', sub { $volume->get_xml_description });
attempt('resize', sub { $volume->resize(2097152); 1 });
attempt('shrink', sub { $volume->resize(1048576); 1 });
attempt('wipe', sub { $volume->wipe; 1 });
attempt('wipe by unknown pattern', sub { $volume->wipe_pattern(99); 1 });
attempt('upload', sub {
    my $stream = $conn->new_stream;
    my $rest = 'abcd' x 65536;
    $volume->upload($stream, 0, length $rest);
    $stream->send_all(sub {
        my $part = substr($rest, 0, $_[2], '');
        $_[1] = $part;
        return length $part;
    });
    $stream->finish;
    1;
});
attempt('download', sub {
    my $stream = $conn->new_stream;
    my $got = '';
    $volume->download($stream, 0, 262144);
    $stream->recv_all(sub { $got .= substr($_[1], 0, $_[2]); return $_[2]; });
    $stream->finish;
    [length $got, $got eq 'abcd' x 65536 ? 1 : 0];
});
attempt('delete volume', sub { $volume->delete; 1 });
attempt('stale volume', sub { $volume->get_info });
attempt('stop', sub { $pool->destroy; 1 });
attempt('stop again', sub { $pool->destroy; 1 });
attempt('capabilities', sub { $conn->get_storage_pool_capabilities =~ /<pool type='dir' supported='yes'>/ ? 1 : 0 });
attempt('undefine', sub { $pool->undefine; 1 });
attempt('stale pool', sub { $pool->get_info });
attempt('node information', sub { $conn->get_node_info->{model} });
attempt('domains', sub { scalar $conn->list_all_domains });
